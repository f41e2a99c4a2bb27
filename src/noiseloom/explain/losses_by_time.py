"""A denoiser's error at every t: what is trained on beside what is held out, and which items.

The errors are those of the report (`evaluate.loss_by_time`), here item by item. Which items are
hardest changes with t: with much noise they are those that are unlike the rest, with little those
that are full of detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.process import add_noise
from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.loss_by_time import (
    SPLITS,
    Errors,
    JudgedFor,
    SplitName,
    errors_by_time,
    even_times,
)
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.item_pictures import sheet
from noiseloom.explain.train_and_held_out import NUMBERS, SIDES, class_table

SHOWN = 6  # hardest items at each t
UNIT = "share of the data's variance"


@dataclass(frozen=True, eq=False)
class Hardest:
    """At one t the items with the largest error, the largest first, as they are stored.

    `places` are their places among the items looked at, `error` theirs; `noisy` is what the network
    saw of them and `expected` what it took them for.
    """

    t: float
    places: np.ndarray
    error: np.ndarray
    items: np.ndarray
    noisy: np.ndarray
    expected: np.ndarray


def errors_of(
    judged_for: JudgedFor,
    dataset: Dataset,
    *,
    num: int,
    times: int,
    seed: int,
    progress: Progress = ignore,
) -> dict[SplitName, Errors]:
    """Both splits' errors at `times` even times, of up to `num` items each."""
    at, found = even_times(judged_for(None).schedule, times), {}
    for done, name in enumerate(SPLITS):
        progress("measuring the loss by time", done / len(SPLITS))
        found[name] = errors_by_time(judged_for, dataset, name, at, seed=seed, num=num)
    return found


@torch.no_grad()
def hardest(judged_for: JudgedFor, dataset: Dataset, errors: Errors, num: int) -> list[Hardest]:
    """The `num` items with the largest errors at each t; `dataset` is as the model sees it."""
    found = []
    for row, t in zip(errors.own, errors.t.tolist(), strict=True):
        places = row.argsort(descending=True)[:num]
        chosen = places.to(errors.x0.device)
        x0, noise = errors.x0[chosen], errors.noise[chosen]
        judged = judged_for(None if errors.labels is None else errors.labels[chosen])
        time = torch.full((len(x0),), t, device=x0.device, dtype=x0.dtype)
        xt = add_noise(judged.schedule, x0, noise, time)
        said = judged.denoise(xt, time).x0
        items, noisy, expected = (dataset.to_items(one.cpu()) for one in (x0, xt, said))
        found.append(Hardest(t, places.numpy(), row[places].numpy(), items, noisy, expected))
    return found


def by_class(errors: Errors, num_classes: int) -> Tensor:
    """The mean error of each class at each time, (T, classes); NaN for one that is not there."""
    assert errors.labels is not None
    labels = errors.labels.cpu()
    columns = [errors.own[:, labels == label].mean(dim=1) for label in range(num_classes)]
    return torch.stack(columns, dim=1)


def explain_by_time(
    judged_for: JudgedFor,
    dataset: Dataset,
    *,
    num: int,
    times: int,
    seed: int,
    progress: Progress = ignore,
) -> Explanation:
    """What view `losses` shows of a denoiser of `dataset`, which is as the model sees it."""
    errors = errors_of(judged_for, dataset, num=num, times=times, seed=seed, progress=progress)
    held_out = errors["held_out"]
    worst = hardest(judged_for, dataset, held_out, SHOWN)
    t = held_out.t.tolist()
    means = {name: one.own.mean(dim=1) for name, one in errors.items()}
    gap = means["held_out"] / means["train"]
    largest = int(gap.argmax())
    figures: dict[str, Any] = {
        "unit": UNIT,
        "t": [round(one, 5) for one in t],
        **{name: mean.tolist() for name, mean in means.items()},
    }
    for name, one in errors.items():
        if one.floor is not None:
            figures[f"{name}_floor"] = one.floor.mean(dim=1).tolist()
    sections = [
        Section("Error at every noise level", _curves(errors)),
        Section("The hardest held-out items at each t", _films(dataset, held_out, worst)),
    ]
    labels = held_out.labels
    if dataset.class_names and labels is not None and labels.ndim == 1:
        table, figures["by_class"] = _by_class(errors, dataset.class_names)
        sections.append(Section("By class", table))
    return Explanation(
        title="What is hard for it",
        lead=(
            f"Held-out items are off by {means['held_out'].mean():.3g} of the data's variance on "
            f"the average over t, training items by {means['train'].mean():.3g}; they differ most "
            f"at t = {t[largest]:.2f}, by a factor of {gap[largest]:.3g}."
        ),
        sections=sections,
        figures=figures,
        protocol={"items": {name: len(one.chosen) for name, one in errors.items()}},
        data={
            "t": ("time", held_out.t.numpy()),
            **{
                f"{name}_error": (f"time, item: {UNIT}", one.own.numpy())
                for name, one in errors.items()
            },
            **{f"{name}_items": (NUMBERS, one.chosen) for name, one in errors.items()},
        },
    )


def _by_class(
    errors: dict[SplitName, Errors], names: Sequence[str]
) -> tuple[str, dict[str, dict[str, list[float | None]]]]:
    """The table of classes, and the error of each at every t."""
    classes = {str(name): by_class(one, len(names)) for name, one in errors.items()}
    over_t = {name: _known(values.mean(dim=0)) for name, values in classes.items()}
    figures = {
        label: {name: _known(values[:, place]) for name, values in classes.items()}
        for place, label in enumerate(names)
    }
    return class_table(over_t, names, "Mean error over all t, as a share of the variance"), figures


def _known(values: Tensor) -> list[float | None]:
    return [None if value != value else round(value, 6) for value in values.tolist()]


def _curves(errors: dict[SplitName, Errors]) -> str:
    t = errors["train"].t.tolist()
    means = {str(name): one.own.mean(dim=1).tolist() for name, one in errors.items()}
    lines = [
        Line(f"{words} items", list(zip(t, means[name], strict=True)), kind)
        for name, words, kind in SIDES
    ]
    floor = errors["train"].floor
    said = (
        "How far off the clean data is that the network expects, as a share of the data's "
        "variance: at the left almost nothing is hidden by noise, at the right almost all. Where "
        "the curves part, the network knows training items better than others."
    )
    if floor is not None:
        by_heart = list(zip(t, floor.mean(dim=1).tolist(), strict=True))
        lines.append(Line("training items, known by heart", by_heart, "raw"))
        said += " The pale line is the best that any network can be on the training items."
    return parts.text(said) + parts.chart("Error of x0", lines, across="t", log=True)


def _films(dataset: Dataset, errors: Errors, worst: Sequence[Hardest]) -> str:
    pictures: list[Image] = []
    labels: list[str] = []
    for one in worst:
        rows = [one.items, one.noisy, one.expected]
        pictures.append(sheet(dataset.form, rows))
        times = float(one.error[0] / errors.own.mean(dim=1)[len(labels)])
        labels.append(f"t = {one.t:.3f}, the first off {times:.1f} times the mean")
    said = (
        f"The {len(worst[0].places)} of {len(errors.chosen)} with the largest error, the largest "
        "first. Above what is there, in the middle what the network saw of it, below what it "
        "took it for."
    )
    if len(worst[0].items.shape) == 2:
        said = (
            "In blue what is there, in orange what the network saw of it, in green what it took "
            "it for."
        )
    alt = "the hardest held-out items, what was seen of them, and what they were taken for"
    return parts.text(said) + parts.turned(pictures, labels, alt)
