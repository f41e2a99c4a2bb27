"""What each block of a classifier has come to of items, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noiseloom.data.dataset import Split
from noiseloom.data.forms import Form, TextForm
from noiseloom.explain import parts
from noiseloom.explain.depth_lens import Decoded, at_each_stage, decoded
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import Layer
from noiseloom.explain.lens_stages import AXIS, TITLE, stage_figures, stage_names
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, table
from noiseloom.explain.text_title import title_of
from noiseloom.tasks import Predicts


@dataclass(frozen=True)
class Shown:
    """Items as stored, what to call each, and their classes (N,) where these are known."""

    items: np.ndarray
    names: list[str]
    truth: np.ndarray | None = None


def explain_classes(subject: Subject, layers: Sequence[Layer], *, num: int) -> Explanation:
    """What view `lens` shows of a classifier: the inputs or, without any, `num` held-out items."""
    task = subject.task
    assert isinstance(task, Predicts)  # the view saw to it
    if subject.inputs:
        given = subject.read_inputs()
        shown = Shown(given.items, [title_of(name) for name in given.names])
    else:
        shown = _held_out(task.form, subject.dataset.reference, num)
    items, truth = shown.items, shown.truth
    logits = at_each_stage(layers, lambda: task.predict(items))
    found = decoded(logits)
    accuracy = None
    if truth is not None:
        accuracy = (found.best.numpy() == truth).mean(axis=1).round(4).tolist()
    return Explanation(
        title=TITLE,
        lead=(
            f"The class of {len(items)} item{'' if len(items) == 1 else 's'}, read by the "
            "final head after each block."
        ),
        sections=[Section("Item by item", _items_table(found, shown, task.form.class_names))],
        protocol={"items": shown.names},
        figures={**stage_figures(found), "accuracy_by_stage": accuracy},
        data={
            "probability": (f"{AXIS}; item; class", logits.double().softmax(dim=-1).numpy()),
        },
    )


def _held_out(form: Form, split: Split, num: int) -> Shown:
    chosen = split.evenly(num)
    items = split.items[chosen]
    if isinstance(form, TextForm):
        names = [title_of(text) for text in form.texts(items)]
    else:
        names = [f"held-out item {number + 1}" for number in chosen]
    return Shown(items, names, None if split.labels is None else split.labels[chosen])


def _items_table(found: Decoded, shown: Shown, classes: Sequence[str]) -> str:
    rows: list[Sequence[Filled]] = []
    for place, name in enumerate(shown.names):
        cells = [
            Cell(
                f"{classes[int(found.best[stage, place])]} {found.confidence[stage, place]:.2f}",
                float(found.confidence[stage, place]),
                more="" if shown.truth is None else f"in truth {classes[shown.truth[place]]}",
            )
            for stage in range(len(found.best))
        ]
        rows.append((name, *cells))
    words = (
        "Each cell is the likeliest class after so many blocks, and its probability; the last "
        "column is the answer itself. The head was trained on the last state alone, so that "
        "what it says of earlier ones is a lower bound of what they hold."
    )
    heads = ["item", *stage_names(len(found.best) - 1)]
    return parts.text(words) + table(heads, rows, "the likeliest class at each stage")
