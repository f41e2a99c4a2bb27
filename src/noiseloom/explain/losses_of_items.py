"""The loss of single items: training beside held-out items, by class, and which are hardest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from noiseloom import media
from noiseloom.data.dataset import Dataset, Split
from noiseloom.data.forms import TextForm
from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.read_items import truths_of
from noiseloom.explain.tables import table
from noiseloom.explain.train_and_held_out import NUMBERS, SIDES, class_table
from noiseloom.runs.predicting import READS, Predictions, answers_of
from noiseloom.seeds import Random
from noiseloom.tasks import Task

AT_ONCE = 64
SHOWN, LISTED = 24, 15  # hardest held-out items: as pictures, and as texts
LONGEST = 300  # characters of a text that is listed
QUANTILES = (0.5, 0.9, 0.99)
SHARES = np.linspace(0, 1, 41)


@dataclass(frozen=True, eq=False)
class Losses:
    """Which items of a split were looked at, and the loss of each, float64."""

    chosen: np.ndarray
    loss: np.ndarray


@torch.no_grad()
def losses_of(task: Task, split: Split, *, num: int, seed: int, purpose: str) -> Losses:
    """The loss of up to `num` items of a split, evenly taken, as when nothing is trained."""
    chosen = split.evenly(num)
    found = []
    for start in range(0, len(chosen), AT_ONCE):
        some = chosen[start : start + AT_ONCE]
        places = range(start, start + len(some))
        random = Random(seed, places, total=len(chosen)).under(purpose)
        losses = task.losses(split.batch(some), random, training=False)
        found.append(losses.double().cpu().numpy())
    return Losses(chosen, np.concatenate(found))


def explain_items(
    task: Task, dataset: Dataset, *, num: int, seed: int, progress: Progress = ignore
) -> Explanation:
    """What view `losses` shows of a task that has a loss for each item."""
    splits = {"train": dataset.train, "held_out": dataset.reference}
    found: dict[str, Losses] = {}
    for name, split in splits.items():
        progress("measuring losses", len(found) / len(splits))
        purpose = f"explain losses {name}"
        found[name] = losses_of(task, split, num=num, seed=seed, purpose=purpose)
    means = {name: float(one.loss.mean()) for name, one in found.items()}
    held_out = found["held_out"]
    hardest = held_out.loss.argsort()[::-1]
    sections = [
        Section("Training items and held-out items", _curves(found)),
        Section("The hardest held-out items", _hardest(task, dataset, held_out, hardest)),
    ]
    figures: dict[str, Any] = {
        name: {"mean": means[name], **{f"quantile_{q:g}": _at(one, q) for q in QUANTILES}}
        for name, one in found.items()
    }
    figures["hardest_held_out"] = [
        {"item": int(held_out.chosen[place]), "loss": float(held_out.loss[place])}
        for place in hardest[:SHOWN]
    ]
    if dataset.class_names and dataset.reference.labels is not None:
        classes = by_class(found, splits, len(dataset.class_names))
        table = class_table(classes, dataset.class_names, "Mean loss of each class")
        sections.append(Section("By class", table))
        figures["by_class"] = {
            name: {split: classes[split][place] for split in classes}
            for place, name in enumerate(dataset.class_names)
        }
    worst = held_out.loss[hardest[: max(1, len(hardest) // 20)]].sum()
    share = worst / max(held_out.loss.sum(), 1e-30)
    return Explanation(
        title="What is hard for it",
        lead=(
            f"A held-out item has a loss of {means['held_out']:.3g} on the average, a training "
            f"item {means['train']:.3g}. The hardest 5 % of held-out items have {share:.0%} of it."
        ),
        sections=sections,
        figures=figures,
        protocol={"items": {name: len(one.chosen) for name, one in found.items()}},
        data={
            **{f"{name}_loss": ("item", one.loss) for name, one in found.items()},
            **{f"{name}_items": (NUMBERS, one.chosen) for name, one in found.items()},
        },
    )


def by_class(
    found: dict[str, Losses], splits: dict[str, Split], num_classes: int
) -> dict[str, list[float | None]]:
    """The mean loss of each class in each split; None for a class that is not there."""
    means: dict[str, list[float | None]] = {}
    for name, one in found.items():
        known = splits[name].labels
        assert known is not None
        labels = np.asarray(known)[one.chosen]
        means[name] = [
            float(one.loss[labels == label].mean()) if (labels == label).any() else None
            for label in range(num_classes)
        ]
    return means


def _at(losses: Losses, share: float) -> float:
    return float(np.quantile(losses.loss, share))


def _curves(found: dict[str, Losses]) -> str:
    lines: list[Line] = []
    rows: list[list[str | float]] = []
    for name, kind_of_items, kind in SIDES:
        words = f"{kind_of_items} items"
        values = np.quantile(found[name].loss, SHARES)
        lines.append(Line(words, list(zip(SHARES.tolist(), values.tolist(), strict=True)), kind))
        quantiles = [_at(found[name], share) for share in QUANTILES]
        rows.append([words, float(found[name].loss.mean()), *quantiles])
    said = (
        "The loss below which that share of the items lies. Held-out items above training items "
        "is what was learned by heart; a curve that stays low and then leaps is of a few items "
        "that are unlike the rest, or wrongly labelled."
    )
    heads = ("", "mean", *(f"{share:.0%} are below" for share in QUANTILES))
    chart = parts.chart("Loss of an item", lines, across="share of items")
    return parts.text(said) + chart + table(heads, rows, "Loss of an item")


def _hardest(task: Task, dataset: Dataset, losses: Losses, order: np.ndarray) -> str:
    places = order[:SHOWN] if not isinstance(dataset.form, TextForm) else order[:LISTED]
    chosen = losses.chosen[places]
    items = np.asarray(dataset.reference.items[chosen])
    truth = dataset.reference.labels
    form, told, answers = dataset.form, None, None
    if truth is not None and truth.ndim == 1:
        told = truths_of(form, np.asarray(truth)[chosen])
    if isinstance(task, READS):
        read = answers_of(task, items)
        answers = read.names if isinstance(read, Predictions) else read.words
    if isinstance(form, TextForm):
        texts = [text[:LONGEST] for text in form.texts(items)]
        heads = ["text", "loss"]
        columns: list[Sequence[str | float]] = [texts, losses.loss[places].tolist()]
        for head, values in (("in the data", told), ("what the run says", answers)):
            if values is not None:
                heads.append(head)
                columns.append(values)
        return table(heads, list(zip(*columns, strict=True)), "The hardest first")
    captions = [
        " ".join(
            words
            for words in (
                f"{loss:.2g}",
                f"is {told[place]}" if told else "",
                f"read {answers[place]}" if answers else "",
            )
            if words
        )
        for place, loss in enumerate(losses.loss[places])
    ]
    said = "The largest loss first; below each its loss, what it is, and what the run reads in it."
    alt = f"the {len(places)} held-out items with the largest loss"
    if items.ndim == 4:
        picture = media.grid(items, 6, max(1, round(140 / items.shape[2])), captions, lines=2)
    elif items.ndim == 5:
        picture = media.strip(items[:8], captions[:8], None)
    else:
        picture = form.picture(items)
    return parts.text(said) + parts.shown(picture, f"{alt}: {'; '.join(captions)}")
