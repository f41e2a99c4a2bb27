"""A denoiser's error at every t, on training and on held-out items, beside the best there can be.

The error is the mean square of x0's, as a share of the data's variance: 1 where nothing but the
mean is known. The best denoiser on finite data weighs all training items by how likely each is to
have given xt (`diffusion.exact.finite`). No network is below it on training items; on held-out ones
it is what knowing the training items by heart is worth, and a network that has learned more than
them is below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.dataset import Dataset, Split
from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.exact import finite
from noiseloom.diffusion.likelihood import Judged
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import Schedule
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.seeds import Random

NUM_TIMES = 12
TIMES_AT_ONCE = 4
NUM_ITEMS = 64  # of each split, at every time
MOST_NUMBERS = 20_000_000  # of the training items that one label's floor looks at

SplitName = Literal["train", "held_out"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
JudgedFor = Callable[[Tensor | None], Judged]
"""From labels (B,), or None where there are none, to the denoiser of items with them."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The error of N items of a split at T times, each an item's own: `own` (T, N), on the CPU.

    `floor` is that of the best denoiser; None where nobody asked for it, and where there are too
    many items to look at. `chosen` says which items they are, `x0` is these as the model sees them,
    `labels` what they are asked for by, `noise` what was added to each at every time.
    """

    t: Tensor
    chosen: np.ndarray
    x0: Tensor
    labels: Tensor | None
    noise: Tensor
    own: Tensor
    floor: Tensor | None


def loss_by_time(
    judged_for: JudgedFor, dataset: Dataset, *, seed: int, progress: Progress = ignore
) -> dict[str, Any]:
    """Errors at `NUM_TIMES` times of even spacing, each over `NUM_ITEMS` items of both splits.

    A floor is None where the training items of a label are too many to look at.
    """
    schedule = judged_for(None).schedule
    times = even_times(schedule, NUM_TIMES)
    found: dict[str, Any] = {
        "unit": "share of the data's variance",
        "num": {},
        "t": times.tolist(),
        "log_snr": schedule.log_snr(times).tolist(),
    }
    for done, name in enumerate(SPLITS):
        progress("measuring the loss by time", done / 2)
        errors = errors_by_time(judged_for, dataset, name, times, seed=seed)
        found["num"][name] = len(errors.chosen)
        found[name] = errors.own.mean(dim=1).tolist()
        floor = errors.floor
        found[f"{name}_floor"] = None if floor is None else floor.mean(dim=1).tolist()
    progress("measuring the loss by time", 1.0)
    return found


def even_times(schedule: Schedule, num: int) -> Tensor:
    """The middles of `num` equal parts of a schedule's range, (num,) float64."""
    share = (torch.arange(num, dtype=torch.float64) + 0.5) / num
    return schedule.t_min + share * (schedule.t_max - schedule.t_min)


@torch.no_grad()
def errors_by_time(
    judged_for: JudgedFor,
    dataset: Dataset,
    name: SplitName,
    times: Tensor,
    *,
    seed: int,
    num: int = NUM_ITEMS,
    with_floor: bool = True,
) -> Errors:
    """The errors of up to `num` items of a split, evenly taken, at `times` (T,)."""
    judged = judged_for(None)
    device = judged.statistics.mean.device
    split = dataset.train if name == "train" else dataset.reference
    chosen, x0, labels = items_evenly(dataset, split, num, device)
    best = _best(dataset, labels, judged) if with_floor else None
    random = Random(seed, range(len(x0))).under(f"loss-by-time/{name}")
    noise = random.normal_like("noise", x0)

    def own(xt: Tensor, t: Tensor) -> Prediction:
        asked = None if labels is None else torch.cat([labels] * (len(xt) // len(labels)))
        return judged_for(asked).denoise(xt, t)

    floor = None if best is None else _errors(best, judged, x0, noise, times)
    errors = _errors(own, judged, x0, noise, times)
    return Errors(times, chosen, x0, labels, noise, errors, floor)


def _errors(denoise: Denoise, judged: Judged, x0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """The mean square error of each x0 at each time, over the data's variance, (T, N)."""
    found = []
    for some in times.to(x0).split(TIMES_AT_ONCE):
        t = some.repeat_interleave(len(x0))
        truth = x0.repeat(len(some), *[1] * (x0.ndim - 1))
        xt = add_noise(judged.schedule, truth, noise.repeat(len(some), *[1] * (x0.ndim - 1)), t)
        errors = (denoise(xt, t).x0 - truth).square()
        found.append(errors.unflatten(0, (len(some), -1)).flatten(2).mean(dim=2).cpu())
    return torch.cat(found) / judged.statistics.std**2


def items_evenly(
    dataset: Dataset, split: Split, num: int, device: torch.device
) -> tuple[np.ndarray, Tensor, Tensor | None]:
    """Which items of a split, evenly taken, these as the model sees them, and what is asked for."""
    chosen = split.evenly(num)
    labels = split.asked(chosen)
    x0 = dataset.to_model(split.items[chosen], device)
    return chosen, x0, None if labels is None else torch.from_numpy(labels).to(device)


def _best(dataset: Dataset, labels: Tensor | None, judged: Judged) -> Denoise | None:
    """The best denoiser on the training items, among those of an item's label where it has one.

    None where that are too many, or items are known by captions, each of which says something else.
    """
    if dataset.train.captions is not None:
        return None
    own = dataset.train.labels
    every = torch.zeros(len(dataset.train), dtype=torch.long)
    groups = every if own is None or labels is None else torch.from_numpy(np.array(own))
    mirrored = 2 if dataset.form.flip else 1
    most = int(groups.bincount().max()) * mirrored * int(np.prod(dataset.item_shape))
    if most > MOST_NUMBERS:
        return None
    known = {}
    for label in [0] if labels is None else labels.unique().tolist():
        chosen = (groups == label).nonzero()[:, 0].numpy()
        if not len(chosen):
            return None
        items = dataset.to_model(dataset.train.items[chosen]).double()
        if dataset.form.flip:
            items = torch.cat([items, items.flip(-1)])
        known[label] = finite(items.to(judged.statistics.mean.device), judged.schedule)

    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        if labels is None:
            return known[0].denoise(xt, t)
        x0, asked = torch.empty_like(xt), labels.repeat(len(xt) // len(labels))
        for label, data in known.items():
            x0[asked == label] = data.denoise(xt[asked == label], t[asked == label]).x0
        return Prediction(x0, "x0", xt, judged.schedule.at(t, like=xt))

    return denoise
