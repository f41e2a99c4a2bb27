"""Tasks: each file composes data, network, objective and sampler into what a user wants done.

The word in a recipe is the Hugging Face task name. A task file holds its `Config`, whose `build`
answers a `Task`; the training loop knows only `Task.loss`, and `runs` only what is listed here.
What a task can do beside being trained is a protocol of its own, which `runs` asks for: `Draws`
(samples), `Predicts` (classes), `Reconstructs` (items, by way of latents). Its `Config` says in
`answers`, as networks and evaluations do, what comes out of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.samplers import Step
from noiseloom.seeds import Random


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a sampler; None means as the recipe says. `labels` has one entry an item."""

    labels: Tensor | None = None
    steps: int | None = None
    sampler: str | None = None
    guidance: float | None = None


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
class Predicts(Task, Protocol):
    """A task that reads a class in an item."""

    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""


@dataclass(frozen=True)
class Reconstructed:
    """Items after a way through latents: as they are stored, on the CPU.

    `latents` (N, C, H, W) float32 are what they went through. `nats` (N,) is what an item's latents
    tell, `indices` (N, H, W) are their codes: either is None where the bottleneck has none.
    """

    items: np.ndarray
    latents: Tensor
    nats: Tensor | None
    indices: Tensor | None


@runtime_checkable
class Reconstructs(Task, Protocol):
    """A task that packs items into latents, and unpacks any latents into items.

    `num_codes` is the number of codes a place of the latents may be; None: any number may be there.
    """

    latent_shape: tuple[int, int, int]
    num_codes: int | None

    def encode(self, items: np.ndarray) -> Tensor:
        """The latents (N, *latent_shape) of stored items, float32, on the CPU."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as the items they stand for, as a model of items sees these, on the CPU."""

    def reconstruct(self, items: np.ndarray) -> Reconstructed:
        """Stored items there and back."""


@runtime_checkable
class Perceives(Task, Protocol):
    """A task whose network can say what it sees in an item on its way to an answer."""

    def feature_maps(self, x: Tensor) -> Sequence[Tensor]:
        """Hidden maps (B, channels, height, width) of items as the model sees them, finest first.

        Gradients pass through.
        """


@runtime_checkable
class Views(Protocol):
    """A task's Config whose model may see the data's items as something else."""

    def view(self, form: Form, others: Mapping[str, Task]) -> Form:
        """What the model sees instead of items of `form`; `form` itself if it sees these.

        `others` as in `build`, which is then given what this answers. Raises ValueError where they
        do not fit.
        """
