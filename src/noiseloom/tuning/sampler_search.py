"""Searching for the best way of sampling at a given number of network calls.

A way is a sampler with its times, and a guidance. The search goes from coarse to fine: first every
sampler that can keep to the budget, then the spacings of the best, then how strongly and when
labels are followed, at last the times themselves, one change after the other. It goes by a figure
of samples (lower is better) that are drawn from the same noise each time, so that ways differ by
how they sample alone. Nothing here knows what is measured.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from noiseloom.diffusion.samplers import SAMPLERS
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.schedules import Schedule
from noiseloom.diffusion.spacings import SPACINGS

KEPT = 3  # ways that go on from each coarse stage
SHIFTS = (0.5, 2.0, 3.0, 5.0)  # beside none
SCALES = (0.8, 1.25)  # times the recipe's strength of guidance
INTERVALS = ((0.0, 1.0), (0.3, 1.0), (0.7, 1.0), (0.3, 0.9))
COARSE = 0.5  # of all trials, at most, before times are moved
MOST_IDLE = 20  # changes in a row that come to what was met before: nothing is left to change
FIRST_MOVE, LEAST_MOVE = 0.35, 0.02  # spread of the changes to the logarithms of the steps' lengths


@dataclass(frozen=True)
class Way:
    """How samples are drawn; `guidance` is None where the run has none."""

    sampling: Sampling
    guidance: Any


@dataclass(frozen=True)
class Trial:
    """A way and its figure; `stage` says in which part of the search it was met."""

    stage: str
    way: Way
    value: float


Measure = Callable[[Way], float]


def search(
    start: Way,
    schedule: Schedule,
    measure: Measure,
    *,
    budget: int,
    trials: int,
    generator: torch.Generator,
) -> Iterator[Trial]:
    """Try at most `trials` ways that call the network at most `budget` times, yielding each.

    Fewer where there is nothing left to change. Raises ValueError as `check_search`.
    """
    check_search(start, schedule, budget=budget, trials=trials)
    met: dict[Way, float] = {}

    def attempt(stage: str, ways: Sequence[Way]) -> Iterator[Trial]:
        for way in ways:
            if way not in met and len(met) < trials:
                met[way] = _finite(measure(way))
                yield Trial(stage, way, met[way])

    def best(number: int) -> list[Way]:
        return sorted(met, key=met.__getitem__)[:number]

    yield from attempt("samplers", list(within_budget(start, schedule, budget)))
    for way in best(KEPT):
        yield from attempt("spacings", list(_respaced(way)))
    for way in best(KEPT):
        if len(met) < COARSE * trials or way == best(1)[0]:
            yield from attempt("guidance", list(_reguided(way, start)))
    yield from _refined(attempt, best, met, trials, schedule, generator)


def check_search(start: Way, schedule: Schedule, *, budget: int, trials: int) -> None:
    """Raise ValueError where no sampler can keep to the budget, or either number is below 1."""
    if budget < 1 or trials < 1:
        raise ValueError(f"budget is {budget} and trials is {trials}; allowed is 1 or more of each")
    if next(within_budget(start, schedule, budget), None) is None:
        raise ValueError(f"no sampler makes a step with {budget} network calls; allow it more")


def within_budget(start: Way, schedule: Schedule, budget: int) -> Iterator[Way]:
    """Each sampler that walks along times, with as many steps as `budget` calls allow."""
    spacing: dict[str, Any] = {"spacing": start.sampling.spacing, "shift": start.sampling.shift}
    if start.sampling.times is not None:  # as many as they are, for as many steps
        spacing = {}
    most = schedule.most_moves
    for name, sampler in SAMPLERS.items():
        if inspect.signature(sampler).parameters["plan"].annotation not in (Tensor, "Tensor"):
            continue  # its plan is a tolerance
        fitting = None
        for steps in range(1, (budget if most is None else min(budget, most)) + 1):
            tried = Sampling(name=name, steps=steps, **spacing)
            calls = tried.calls(schedule)
            if calls is None or calls > budget:
                break
            fitting = tried
        if fitting is not None:
            yield replace(start, sampling=fitting)


def _respaced(way: Way) -> Iterator[Way]:
    for shift in (1.0, *SHIFTS):
        yield replace(way, sampling=replace(way.sampling, spacing="uniform", shift=shift))
    for spacing in SPACINGS:
        if spacing != "uniform":
            yield replace(way, sampling=replace(way.sampling, spacing=spacing, shift=1.0))


def _reguided(way: Way, start: Way) -> Iterator[Way]:
    if not _is_guided(start):
        return
    off = start.guidance.off
    for factor in SCALES:
        scale = round(off + factor * (start.guidance.scale - off), 4)
        yield replace(way, guidance=replace(way.guidance, scale=scale))
    for interval in INTERVALS:
        yield replace(way, guidance=replace(way.guidance, interval=interval))


def _refined(
    attempt: Callable[[str, Sequence[Way]], Iterator[Trial]],
    best: Callable[[int], list[Way]],
    met: dict[Way, float],
    trials: int,
    schedule: Schedule,
    generator: torch.Generator,
) -> Iterator[Trial]:
    """Change the best way a little, keep what is better; the changes shrink as they fail.

    (The 1/5 rule of Rechenberg: one success in five keeps the size of the changes.)
    """
    size, number, idle = FIRST_MOVE, len(met), 0
    while len(met) < trials and idle < MOST_IDLE:
        parent = best(1)[0]
        yield from attempt("times", [_changed(parent, schedule, size, generator)])
        if len(met) == number:  # met before: rounding made it the same
            size, idle = FIRST_MOVE, idle + 1
            continue
        number, idle = len(met), 0
        size = max(LEAST_MOVE, size * (1.5 if best(1)[0] != parent else 1.5**-0.25))


def _changed(way: Way, schedule: Schedule, size: float, generator: torch.Generator) -> Way:
    """`way` with its times moved and, where there is guidance, that too.

    As it is where a step would be too short to be written down.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    times = way.sampling.plan(schedule)
    assert isinstance(times, Tensor)  # only such samplers are tried
    logs = (-times.diff()).log() + size * normal(len(times) - 1)
    lengths = logs.softmax(dim=0) * (times[0] - times[-1])
    inner = times[0] - lengths.cumsum(dim=0)[:-1]
    moved = [float(times[0]), *(round(float(t), 6) for t in inner), float(times[-1])]
    if not all(first > second for first, second in itertools.pairwise(moved)):
        return way
    sampling = replace(
        way.sampling, spacing="learned", times=tuple(moved), steps=len(moved) - 1, shift=1.0
    )
    guidance = way.guidance
    if _is_guided(way):
        low, high = (bound + 0.2 * size * float(normal()) for bound in guidance.interval)
        low, high = max(0.0, min(low, 1.0)), max(0.0, min(high, 1.0))
        push = (guidance.scale - guidance.off) * math.exp(0.5 * size * float(normal()))
        guidance = replace(
            guidance,
            scale=round(guidance.off + push, 4),
            interval=(round(min(low, high), 4), round(max(low, high), 4)),
        )
    return Way(sampling, guidance)


def _is_guided(way: Way) -> bool:
    return way.guidance is not None and way.guidance.scale != way.guidance.off


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
