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
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.samplers import Sampler, Step
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random

OnProgress = Callable[[str, int, int], None]
"""Is told of long work what it is, how much is done, of how much."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a sampler; None means as the recipe says. `labels` has one entry an item."""

    labels: Tensor | None = None
    steps: int | None = None
    sampler: str | None = None
    guidance: float | None = None


@dataclass(frozen=True)
class Walk:
    """What `request` comes to but for where it starts: sampler(denoise, x, plan, schedule, random).

    `denoise` holds labels and guidance; `plan` falls from noise to data.
    """

    sampler: Sampler
    denoise: Denoise
    plan: Tensor
    schedule: Schedule


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
class Prepares(Task, Protocol):
    """A task that needs, besides the data, what is made once and kept in the run's folder."""

    def prepare(self, folder: Path, on_progress: OnProgress) -> None:
        """Make it, or read it back, before training."""


@runtime_checkable
class Predicts(Task, Protocol):
    """A task that reads a class in an item."""

    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""
