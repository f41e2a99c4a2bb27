"""What each attention head is needed for: heads are switched off one at a time.

A head's share of what attention says is set to nothing, or to its mean, and the run is measured
again on the same items with the same noise: scenes by what they hold, classes by how many are
right, denoisers by their error at several t, text by its loss. What is switched off, and how, is in
`interventions`; the table of changes in `head_effects`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from noiseloom.config import option
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.head_effects import Effect, head_effects
from noiseloom.explain.interventions import Heads, Instead, heads_of, network_of
from noiseloom.explain.measures import Measure, of_classes, of_denoising, of_loss, of_scenes
from noiseloom.explain.options import NO_DENOISER, refuse
from noiseloom.explain.scene_effects import world_of_run
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, counted, table
from noiseloom.tasks import Denoises, Predicts, Prompted, Request, Task

HOW = (
    "A cell of the tables is the change when that head says nothing of its own. Orange: it is "
    "worse for it, blue: better. A change of less than two standard errors is in brackets: it may "
    "be chance."
)
FEWEST = 2  # items, so that a change has an error
SPOKEN = 5  # changes that are named above the tables
AXES = "layer; head, the last one: all of the layer (NaN: no such head)"
TIMES = (0.9, 0.7, 0.5, 0.3, 0.1)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What each attention head is needed for."""

    about: ClassVar[str] = "what each attention head is needed for: heads switched off one by one"

    num: Annotated[int, Ge(FEWEST)] | None = option(
        None, "items that each change is measured on; null: 32 pictures of scenes, 256 of others"
    )
    instead: Instead = option(
        "nothing", "what stands in the place of what a head says: nothing, or its mean"
    )
    steps: Annotated[int, Ge(1)] | None = option(
        None, "moves from noise to data, where scenes are drawn; null: the run's"
    )
    times: tuple[Annotated[float, Ge(0), Le(1)], ...] | None = option(
        None, f"t at which a denoiser is measured, from 0 to 1; null: {list(TIMES)}"
    )

    def __post_init__(self) -> None:
        if self.times == ():
            raise ValueError("times is empty; allowed are one or more, each 0 to 1")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        return None if heads_of(network_of(task)) else "its network has no attention heads"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`."""
        subject.refuse_inputs("this view measures held-out items")
        layers, measure = heads_of(network_of(subject.task)), self._measure(subject)
        working = subject.working("Switching heads off")
        found = head_effects(layers, measure.of, self.instead, working)
        changes, errors = _arrays(found, "change"), _arrays(found, "error")
        before = {name: rows[0][0].before for name, rows in found.items()}
        spoken = parts.text(_spoken(found, layers, measure)) + parts.text(HOW)
        sections = [Section("What is needed most", spoken)] + [
            Section(
                f"With all heads, {name}: {before[name]:.4g}",
                _table(rows, layers, measure, name),
            )
            for name, rows in found.items()
        ]
        count = sum(layer.count for layer in layers)
        return Explanation(
            title="What each attention head is needed for",
            lead=(
                f"Each of {count} heads is switched off by itself, then all of a block together, "
                f"and measured is {measure.told}."
            ),
            sections=sections,
            protocol={
                "instead": self.instead,
                "measured": measure.told,
                "steps": self.steps,
            },
            figures={"before": before, "layers": [layer.name for layer in layers]}
            | {"change": changes, "standard_error": errors},
            data={
                f"{kind}_{name}": (AXES, _padded(rows))
                for kind, figures in (("change", changes), ("error", errors))
                for name, rows in figures.items()
            },
        )

    def _measure(self, subject: Subject) -> Measure:
        task, world = subject.task, world_of_run(subject.run)
        if world is not None and isinstance(task, Prompted):
            refuse({"times": self.times}, "scenes are drawn and read, not measured at single times")
            return of_scenes(subject, world, self.num or 32, Request(steps=self.steps))
        refuse({"steps": self.steps}, "nothing is drawn to measure this run")
        if isinstance(task, Denoises):
            return of_denoising(subject, self.num or 256, self.times or TIMES)
        refuse({"times": self.times}, NO_DENOISER)
        if isinstance(task, Predicts):
            return of_classes(subject, self.num or 256)
        return of_loss(subject, self.num or 256)


def _table(
    rows: Sequence[Sequence[Effect]], layers: Sequence[Heads], measure: Measure, name: str
) -> str:
    largest = max((abs(one.change) for row in rows for one in row), default=0.0) or 1.0
    digits = max(3, 2 - math.floor(math.log10(largest)))
    most = max(layer.count for layer in layers)
    lines: list[Sequence[Filled]] = []
    for layer, row in zip(layers, rows, strict=True):
        cells = [_cell(one, largest, digits, measure) for one in row]
        gap = [Cell("")] * (most - layer.count)
        lines.append([layer.name, *cells[:-1], *gap, cells[-1]])
    heads = ["", *counted("head", most), "all of them"]
    return table(heads, lines, f"change of {name}")


def _cell(one: Effect, largest: float, digits: int, measure: Measure) -> Cell:
    good = one.change if measure.more_is_better else -one.change
    change = f"{one.change:+.{digits}f}"
    words = change if one.is_clear else f"({change})"
    more = f"{change} ± {one.error:.4f} (one standard error), {one.num} items"
    return Cell(words, good / largest, more=more)


def _spoken(
    found: Mapping[str, Sequence[Sequence[Effect]]], layers: Sequence[Heads], measure: Measure
) -> str:
    """The heads whose silence does most harm, in a sentence."""
    sign = -1 if measure.more_is_better else 1
    harms = sorted(
        (
            (sign * one.change / (abs(one.before) or 1.0), name, layer.name, head + 1, one)
            for name, rows in found.items()
            for layer, row in zip(layers, rows, strict=True)
            for head, one in enumerate(row[:-1])
            if one.is_clear and sign * one.change > 0
        ),
        key=lambda harm: -harm[0],
    )
    if not harms:
        return "No single head is needed so much that its silence shows beyond chance."
    return "Worst without: " + "; ".join(
        f"head {head} of {layer} ({name}: {one.before:.3g} to {one.before + one.change:.3g})"
        for _, name, layer, head, one in harms[:SPOKEN]
    )


def _arrays(
    found: Mapping[str, Sequence[Sequence[Effect]]], field: str
) -> dict[str, list[list[float]]]:
    return {
        name: [[round(getattr(one, field), 6) for one in row] for row in rows]
        for name, rows in found.items()
    }


def _padded(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Rows of different lengths in one array, the last number of each in the last column."""
    width = max(map(len, rows))
    filled = [[*row[:-1], *[np.nan] * (width - len(row)), row[-1]] for row in rows]
    return np.array(filled, dtype=np.float64)
