"""Scoring held-out items by a run: how likely it finds them.

By the bound and by the ODE of a denoiser; exactly, by what tells pixels in order.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.likelihood import (
    Bound,
    Density,
    Judged,
    chain_bound,
    continuous_bound,
    flow_density,
)
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate.likelihood import bound_figures, density_figures, exact_figures
from noiseloom.seeds import Random
from noiseloom.tasks import HasExactLikelihood, HasLikelihood

NUM = 256  # items scored, where nothing else is asked for
EXACT_NUM = 1_000  # the same of an exact likelihood, which takes one call
TIMES = 64  # of the bound that every item sees
STEPS = 24  # of the ODE
PROBES = 1
BATCH_NUMBERS, MOST_ITEMS = 60_000, 1_000  # in a batch; it changes memory, not scores

Part = tuple[Judged, Tensor, Random]
Score = TypeVar("Score", Bound, Density)


def measure_likelihood(
    task: HasLikelihood,
    dataset: Dataset,
    *,
    num: int | None,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The `likelihood` of evaluation.json: of `num` held-out items, evenly taken.

    A run trained by the bound of a chain is scored by that chain's, every other by the continuous
    one. Raises InputError for more items than there are, MachineError for scores not finite.
    """
    num = _number(dataset, num, NUM)
    parts = list(_parts(task, dataset, num, seed))
    chain = task.chain_steps

    def bound_of(judged: Judged, x0: Tensor, random: Random) -> Bound:
        if chain is None:
            return continuous_bound(judged, x0, random, times=TIMES)
        return chain_bound(judged, x0, random, steps=chain, times=TIMES)

    def density_of(judged: Judged, x0: Tensor, random: Random) -> Density:
        return flow_density(judged, x0, random, steps=STEPS, probes=PROBES)

    bounds, bound_seconds = _timed(bound_of, parts, lambda done: on_step(done, 2 * num))
    densities, seconds = _timed(density_of, parts, lambda done: on_step(num + done, 2 * num))
    names = ("prior", "diffusion", "reconstruction")
    bound = Bound(*(_finite(_joined(bounds, name), f"bound's {name}") for name in names))
    density = Density(_finite(_joined(densities, "each"), "density"), densities[0].probes)
    size, judged = int(np.prod(dataset.item_shape)), parts[0][0]
    return {
        "split": "held-out",
        "num": num,
        "dimensions": size,
        "unit": "bits per dimension",
        "of_levels": judged.levels is not None,
        "log_snr": list(judged.log_snr),
        "bound": {
            **bound_figures(bound, size),
            "kind": "continuous time" if chain is None else f"{chain} steps",
            "times": TIMES if chain is None else min(TIMES, chain - 1),
            "seconds": bound_seconds,
        },
        "ode": {**density_figures(density, size, STEPS), "seconds": seconds},
    }


def measure_exact(
    task: HasExactLikelihood,
    dataset: Dataset,
    *,
    num: int | None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The same of a likelihood that is exact: of `num` held-out items, evenly taken."""
    num = _number(dataset, num, EXACT_NUM)
    split, began, nats, lossless = dataset.reference, time.perf_counter(), [], True
    for places in _places(dataset, num):
        items, labels = split.items[places], split.asked(places)
        nats.append(task.nats(items, labels))
        lossless = lossless and bool(np.array_equal(task.kept(items), items))
        on_step(sum(map(len, nats)), num)
    size = int(np.prod(dataset.item_shape))
    return {
        "split": "held-out",
        "num": num,
        "dimensions": size,
        "unit": "bits per dimension",
        "of_levels": True,
        "levels": task.levels,
        "lossless": lossless,
        "exact": {
            **exact_figures(_finite(torch.cat(nats), "likelihood"), size),
            "seconds": round(time.perf_counter() - began, 2),
        },
    }


def _number(dataset: Dataset, num: int | None, usual: int) -> int:
    held = len(dataset.reference)
    num = min(usual, held) if num is None else num
    if not 2 <= num <= held:
        raise InputError(
            f"A likelihood of {num:,} held-out items is asked for, and there are {held:,}; allowed "
            f"is 2 to {held:,}"
        )
    return num


def _places(dataset: Dataset, num: int) -> Iterator[np.ndarray]:
    """The numbers of `num` held-out items in batches, evenly taken: files come by class."""
    chosen = np.linspace(0, len(dataset.reference) - 1, num).round().astype(int)
    batch = min(MOST_ITEMS, max(1, BATCH_NUMBERS // int(np.prod(dataset.item_shape))))
    for start in range(0, num, batch):
        yield chosen[start : start + batch]


def _timed(
    score: Callable[[Judged, Tensor, Random], Score],
    parts: list[Part],
    gone: Callable[[int], None],
) -> tuple[list[Score], float]:
    """What `score` says of each part, and the seconds it took; `gone` counts items."""
    began, scores, done = time.perf_counter(), [], 0
    for judged, x0, random in parts:
        scores.append(score(judged, x0, random))
        done += len(x0)
        gone(done)
    return scores, round(time.perf_counter() - began, 2)


def _finite(nats: Tensor, what: str) -> Tensor:
    if bad := int((~nats.isfinite()).sum()):
        raise MachineError(
            f"The {what} of {bad} of {nats.shape[-1]} items is not a finite number; train again "
            "with a lower training.optimizer.learning_rate, or ask the weights themselves with "
            "--raw"
        )
    return nats


def _parts(task: HasLikelihood, dataset: Dataset, num: int, seed: int) -> Iterator[Part]:
    """The items in batches, each with its denoiser and its own randomness."""
    split = dataset.reference
    device = next(task.model.parameters()).device
    start = 0
    for places in _places(dataset, num):
        asked = split.asked(places)
        labels = None if asked is None else torch.from_numpy(asked).to(device)
        x0 = dataset.to_model(split.items[places], device)
        random = Random(seed, range(start, start + len(x0))).under("likelihood")
        yield task.judged(labels), x0, random
        start += len(x0)


def _joined(parts: Sequence[Bound | Density], name: str) -> Tensor:
    return torch.cat([getattr(part, name).cpu() for part in parts], dim=-1)
