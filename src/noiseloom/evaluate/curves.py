"""curves.png: loss, learning rate, gradient norm and speed over the steps of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseloom.media import aside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#2459b3", "#d9730d", "#8a94a3"
SMOOTHED_OVER = 0.05  # of the run


def save_curves(metrics: list[dict[str, Any]], path: Path) -> Path | None:
    """Draw the lines of metrics.jsonl; None where there is nothing to draw."""
    training = [line for line in metrics if "loss" in line]
    held_out = [line for line in metrics if "held_out_loss" in line]
    if not training:
        return None
    from matplotlib.figure import Figure  # half a second to import

    figure = Figure(figsize=(9, 5.2), dpi=110, layout="constrained")
    panels = figure.subplots(2, 2)
    steps = [line["step"] for line in training]
    loss = [line["loss"] for line in training]
    draw_loss(panels[0, 0], steps, loss, held_out)
    for panel, key, title, colour in (
        (panels[0, 1], "learning_rate", "learning rate", GREY),
        (panels[1, 0], "gradient_norm", "gradient norm before clipping", GREY),
        (panels[1, 1], "items_per_second", "items per second", BLUE),
    ):
        panel.plot(steps, [line.get(key, np.nan) for line in training], color=colour, lw=1.4)
        panel.set_title(title, fontsize=10, loc="left")
    panels[1, 1].set_ylim(bottom=0)
    for panel in panels.flat:
        panel.set_xlabel("step", fontsize=8, color=GREY)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    with aside(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def draw_loss(
    panel: Axes, steps: list[int], loss: list[float], held_out: list[dict[str, Any]]
) -> None:
    """Raw and smoothed training loss, and the held-out loss of the averaged weights."""
    panel.plot(steps, loss, color=BLUE, alpha=0.25, lw=1)
    width = max(1, round(SMOOTHED_OVER * len(loss)))
    panel.plot(steps, smoothed(loss, width), color=BLUE, lw=1.6, label="training")
    if held_out:
        places = [line["step"] for line in held_out]
        values = [line["held_out_loss"] for line in held_out]
        panel.plot(places, values, "o-", color=ORANGE, ms=3, lw=1.2, label="held out, averaged")
    if min(loss) > 0:
        panel.set_yscale("log")
    panel.set_title("loss", fontsize=10, loc="left")
    panel.legend(fontsize=8, frameon=False)


def smoothed(values: list[float], width: int) -> np.ndarray:
    """The mean of the last `width` values at each place, fewer at the start."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return (sums[ends] - sums[starts]) / (ends - starts)
