"""Reading a number in an item: the loss of it, and the number in its own unit."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.data.forms import Batch, Form
from noiseloom.seeds import Random

Read = Callable[[np.ndarray, Random | None], Tensor]
"""What a network says of stored items, (B, outputs) float32; drop-out is on where `Random` is."""


@runtime_checkable
class Numbered(Protocol):
    """A form that knows how the labels of training items lie."""

    number_mean: float
    number_std: float

    def anchors(self, items: np.ndarray) -> np.ndarray:
        """What the number of each item is counted from, (N,)."""


def check_numbers(form: Form, task: str, instead: str) -> None:
    """ValueError where the labels of a form are classes, which the task `instead` reads."""
    if form.class_names:
        shown = ", ".join(form.class_names[:5]) + (", …" if len(form.class_names) > 5 else "")
        raise ValueError(
            f"task {task} reads numbers, and the labels are the classes {shown}. Set "
            f"data.labels=numbers, or use task {instead}"
        )


class Estimation:
    """The squared error of a network's numbers, both standardised as the training labels are.

    A loss of 1 is that of always answering their mean.
    """

    def __init__(self, model: nn.Module, form: Form, read: Read) -> None:
        assert isinstance(form, Numbered)  # the task's config saw to it
        self.model, self.form, self.numbered, self.read = model, form, form, read

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The squared error of each item, (B,)."""
        answered = self.read(batch.items, random if training else None).squeeze(1)
        assert batch.labels is not None  # the task's config saw to it
        counted = batch.labels - self.numbered.anchors(batch.items)
        standard = (counted - self.numbered.number_mean) / self.numbered.number_std
        return (answered - torch.from_numpy(standard).to(answered)).square()

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed squared error and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def estimate(self, items: np.ndarray) -> Tensor:
        """The numbers (N,) of stored items, in the unit of the labels, float32, on the CPU."""
        answered = self.read(items, None).squeeze(1).double().cpu()
        counted = answered.numpy() * self.numbered.number_std + self.numbered.number_mean
        return torch.from_numpy((counted + self.numbered.anchors(items)).astype(np.float32))
