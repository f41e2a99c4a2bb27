"""Read the class of a text, or of a pair of texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form, TextForm
from noiseloom.data.tokenizer import PAD
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.networks.text_encoder import TextEncoder
from noiseloom.seeds import Random
from noiseloom.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Config:
    """Classification of texts by cross entropy."""

    answers: ClassVar[Answer] = "classes"

    label_smoothing: float = option(
        0.0, "share of each label that is spread evenly over the classes, in training"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; allowed is 0 to below 1")

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "TextClassification":
        """The task on rows of text, with a network of the config `network`, freshly initialised.

        Raises ValueError where the data is no rows of text, or has fewer than two classes.
        """
        if not isinstance(form, TextForm) or not form.columns:
            raise ValueError("task text-classification reads rows of text: use data table")
        if len(form.class_names) < 2:
            raise ValueError(
                "task text-classification tells classes apart, and the data has none. Set "
                "data.labels=classes, or use task text-regression for labels that are numbers"
            )
        vocabulary, columns = form.tokenizer.vocabulary, len(form.columns)
        core = network.build(vocabulary, form.context, columns, len(form.class_names))
        return TextClassification(self, core, form)


class TextClassification:
    """The loss of a classifier on rows of text, and what it reads in others."""

    def __init__(self, config: Config, model: TextEncoder, form: TextForm) -> None:
        self.config = config
        self.model = model
        self.form = form

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Cross entropy of each item, nats, (B,); labels are smoothed only in `training`."""
        logits = self._logits(batch.items, random if training else None)
        labels = torch.from_numpy(np.array(batch.labels)).to(logits.device)
        smoothing = self.config.label_smoothing if training else 0.0
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""
        return self._logits(items, None).cpu()

    def _logits(self, items: np.ndarray, random: Random | None) -> Tensor:
        device = next(self.model.parameters()).device
        tokens = self.form.to_model(items).to(device)
        is_real = tokens != self.form.tokenizer.special(PAD)
        return self.model(tokens, is_real, random=random).float()
