"""Training data beside held-out data, as every chart and table of losses shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noiseloom.explain.tables import table

SIDES = (("train", "training", "smooth"), ("held_out", "held-out", "other"))
"""Each split: its name in figures, what to call it, and how its line is drawn."""
NUMBERS = "item: its number in the split"  # the axis of which items were looked at


def class_table(
    means: Mapping[str, Sequence[float | None]], names: Sequence[str], caption: str
) -> str:
    """The mean of each class in each split, the hardest first; None for a class that has none."""
    order = sorted(range(len(names)), key=lambda place: -(means["held_out"][place] or 0.0))
    rows = [[names[place], *(_told(means[name][place]) for name, _, _ in SIDES)] for place in order]
    heads = ("class", *(f"{words} items" for _, words, _ in SIDES))
    return table(heads, rows, caption)


def _told(mean: float | None) -> float | str:
    return "none" if mean is None else mean
