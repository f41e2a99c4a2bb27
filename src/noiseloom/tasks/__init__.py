"""Tasks: each file composes data, network, objective and sampler into what a user wants done.

The word in a recipe is the Hugging Face task name. A task file holds its `Config`, whose `build`
answers a `Task`; the training loop knows only `Task.loss`, and `runs` only what is listed here.
What a task can do beside being trained is a protocol of its own, which `runs` asks for: `Draws`
(samples) or `Predicts` (classes), and `Prepares` where it needs more than the data. Its `Config`
says in `answers`, as networks and evaluations do, what comes out of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from torch import Tensor, nn

from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.samplers import Step
from noiseloom.diffusion.sampling import Sampling
from noiseloom.seeds import Random

OnProgress = Callable[[str, int, int], None]
"""Is told of long work what it is, how much is done, of how much."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a sampler; None means as the recipe says. `labels` has one entry an item."""

    labels: Tensor | None = None
    steps: int | None = None
    sampler: str | None = None
    spacing: str | None = None
    tolerance: float | None = None
    guidance: float | None = None

    @property
    def names_a_sampler(self) -> bool:
        """Whether it says how noise becomes data, beside how labels are followed."""
        wishes = (self.steps, self.sampler, self.spacing, self.tolerance)
        return any(wish is not None for wish in wishes)


class Task(Protocol):
    """A model with its loss; `model` holds all that is trained. What it can do beside is below."""

    model: nn.Module
    form: Form

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The loss of each item, (B,); drop-out of any kind only in `training`."""

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """Named (sum, count) pairs; the loop adds them up over micro-batches and ranks."""


@runtime_checkable
class Draws(Task, Protocol):
    """A task that makes new items, from noise."""

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items; the last step's x0 is the sample."""

    def noised(self, items: np.ndarray, t: float, random: Random) -> Tensor:
        """Stored items after the forward process up to `t`, as the model sees them."""

    def describe(self, request: Request) -> dict[str, Any]:
        """How samples for `request` are drawn, in plain words and numbers, for protocols."""


@runtime_checkable
class Tunable(Draws, Protocol):
    """A task whose samples are walks of a sampler, any of which may be chosen after training."""

    config: Any  # with the `schedule`, and the `sampler` and `guidance` of the recipe

    def sampled(self, sampler: Sampling, guidance: Any) -> Self:
        """The same model, sampled so; ValueError where `sampler` does not fit the schedule."""


@runtime_checkable
class Prepares(Task, Protocol):
    """A task that needs, besides the data, what is made once and kept in the run's folder."""

    def prepare(self, folder: Path, on_progress: OnProgress) -> None:
        """Make it, or read it back, before training."""


@runtime_checkable
class Predicts(Task, Protocol):
    """A task that reads a class in an item."""

    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""
