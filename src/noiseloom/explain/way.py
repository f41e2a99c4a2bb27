"""The states that a sampler passes through on its way from noise to data, to ask a model there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noiseloom.seeds import Random
from noiseloom.tasks import Request
from noiseloom.tasks.generating import ImageGeneration


@dataclass(frozen=True)
class State:
    """Where samples stand, `x` (B, …), before a move from the time `t`."""

    t: float
    x: Tensor

    @property
    def times(self) -> Tensor:
        """`t` for each sample, (B,)."""
        return torch.full((len(self.x),), self.t, device=self.x.device)


@dataclass(frozen=True)
class Way:
    """The states of some samples, one a step, and the `items` (stored form) that came of them.

    `expected` are the items that the sampler expected after each step; the last are `items`.
    """

    states: list[State]
    expected: list[np.ndarray]

    @property
    def items(self) -> np.ndarray:
        """What came of them."""
        return self.expected[-1]


def way_of(task: ImageGeneration, request: Request, random: Random) -> Way:
    """The way of `random`'s samples; those that `task.sample` draws for `request`."""
    walk = task.walk(request)
    start = task.start(random)
    states, expected = [State(float(walk.schedule.t_max), start)], []
    for step in walk.sampler(walk.denoise, start, walk.plan, walk.schedule, random):
        states.append(State(step.t, step.x))
        expected.append(task.form.to_items(step.x0.cpu()))
    return Way(states[:-1], expected)
