"""Reading a class in an item: the loss of it, and its logits."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.seeds import Random
from noiseloom.tasks.estimation import Read


@dataclass(frozen=True, kw_only=True)
class SmoothedLabels:
    """What every classification's config has."""

    label_smoothing: float = option(
        0.0, "share of each label that is spread evenly over the classes, in training"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; allowed is 0 to below 1")


class Classification:
    """The cross entropy of a network's logits, with labels smoothed in training."""

    def __init__(self, model: nn.Module, form: Form, read: Read, label_smoothing: float) -> None:
        self.model, self.form, self.read = model, form, read
        self.label_smoothing = label_smoothing

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Cross entropy of each item, nats, (B,); labels are smoothed only in `training`."""
        logits = self.read(batch.items, random if training else None)
        labels = torch.from_numpy(np.array(batch.labels)).to(logits.device)
        smoothing = self.label_smoothing if training else 0.0
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""
        return self.read(items, None).cpu()
