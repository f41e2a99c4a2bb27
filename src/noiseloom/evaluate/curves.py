"""What training was like, from metrics.jsonl: loss, learning rate, gradient norm, speed.

`panels` is the choice of lines, drawn as SVG in the report and by matplotlib in `curves.png`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseloom.evaluate.charts import Line, smoothed, y_axis_of
from noiseloom.evaluate.facts import Facts
from noiseloom.media import aside

SMOOTHING = 0.03  # of the run that the smoothed loss looks back over
MARGINS = {  # given: to reckon them takes as long as to draw all the rest
    "left": 0.075,
    "right": 0.985,
    "top": 0.89,
    "bottom": 0.075,
    "hspace": 0.34,
    "wspace": 0.2,
}


@dataclass(frozen=True)
class Panel:
    """One chart: its title and lines."""

    title: str
    lines: list[Line]
    log: bool = False  # whether its axis may be logarithmic

    @property
    def is_log(self) -> bool:
        return y_axis_of(sorted(y for line in self.lines for _, y in line.points), self.log).log


def panels(facts: Facts) -> list[Panel]:
    """The charts there is something to draw for."""
    loss = _column(facts.steps, "loss")
    held_out = _column(facts.held_out, "held_out_loss")
    loss_lines = [
        Line("as logged", loss, "raw"),
        Line("smoothed", smoothed(loss, SMOOTHING * len(loss)), "smooth"),
        Line("held-out data, averaged weights", held_out, "other"),
    ]
    norm = _column(facts.steps, "gradient_norm")
    speed = _column(facts.steps, "items_per_second")
    found = [
        Panel("Loss", loss_lines, log=True),
        Panel("Learning rate", [Line("", _column(facts.steps, "learning_rate"))]),
        Panel(
            "Gradient norm",
            [
                Line("as logged", norm, "raw"),
                Line("smoothed", smoothed(norm, SMOOTHING * len(norm))),
            ],
            log=True,
        ),
        Panel("Items per second", [Line("", speed)]),
    ]
    return [panel for panel in found if any(len(line.points) > 1 for line in panel.lines)]


def _column(lines: list[dict[str, float]], name: str) -> list[tuple[float, float]]:
    return [(line["step"], line[name]) for line in lines if name in line]


def write_curves(facts: Facts) -> Path | None:
    """Write `curves.png` into the run's folder; None where nothing was logged."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    chosen = panels(facts)
    if not chosen:
        return None
    figure = Figure(figsize=(10, 6.4), dpi=110)
    figure.subplots_adjust(**MARGINS)
    canvas = FigureCanvasAgg(figure)
    styles: dict[str, dict[str, Any]] = {
        "raw": {"color": "#a9c4e4", "linewidth": 0.9},
        "smooth": {"color": "#1f5fa8", "linewidth": 1.8},
        "other": {"color": "#d1581b", "linewidth": 1.4, "marker": "o", "markersize": 3},
    }
    for index, panel in enumerate(chosen):
        axes = figure.add_subplot(2, 2, index + 1)
        for line in panel.lines:
            if line.points:
                x, y = zip(*line.points, strict=True)
                axes.plot(x, y, label=line.name or None, **styles[line.kind])
        if panel.is_log:
            axes.set_yscale("log")
        axes.set_title(panel.title, loc="left", fontsize=11)
        axes.set_xlabel("step", fontsize=9)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(panel.lines) > 1:
            axes.legend(frameon=False, fontsize=8)
    figure.suptitle(facts.name, fontsize=12)
    path = facts.folder / "curves.png"
    with aside(path) as temporary:
        canvas.print_figure(temporary, format="png")
    return path
