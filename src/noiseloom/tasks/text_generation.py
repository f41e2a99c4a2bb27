"""Write text: one token after the other, or by uncovering masks, as `objective` says.

`causal` is a language model (Radford et al. 2018); `masked-diffusion` is in `masked_text`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form, TextForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.networks.language_model import LanguageModel
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Task, Writing
from noiseloom.tasks.causal_writing import write_on
from noiseloom.tasks.masked_text import MaskedDiffusion, MaskedText


@dataclass(frozen=True, kw_only=True)
class Causal:
    """Each token from those before it."""

    label_smoothing: float = option(
        0.0, "share of each token that is spread evenly over all, in training"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; allowed is 0 to below 1")

    def build(self, network: Any, form: TextForm) -> "CausalText":
        """The task on windows of `form`, its network freshly initialised."""
        vocabulary = form.tokenizer.vocabulary
        return CausalText(self, network.build(vocabulary, form.context, causal=True), form)


OBJECTIVES: dict[str, type[Causal] | type[MaskedDiffusion]] = {
    "causal": Causal,
    "masked-diffusion": MaskedDiffusion,
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Text written by a model of text."""

    answers: ClassVar[Answer] = "text"

    objective: Causal | MaskedDiffusion = option(
        help="what is learned of text", choices=OBJECTIVES, default_factory=Causal
    )

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "CausalText | MaskedText":
        """The task on windows of text, with a network of the config `network`, freshly initialised.

        Raises ValueError where the data is no text.
        """
        if not isinstance(form, TextForm) or form.columns:
            raise ValueError("task text-generation learns from windows of text: use data text")
        return self.objective.build(network, form)


class CausalText:
    """A language model on windows of text: each token from those before it."""

    is_bound = False

    def __init__(self, config: Causal, model: LanguageModel, form: TextForm) -> None:
        self.config = config
        self.model = model
        self.form = form

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The mean cross entropy over each window's tokens, nats, (B,)."""
        return self._token_losses(batch.items, random if training else None).mean(dim=1)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of tokens."""
        losses = self._token_losses(batch.items, random)
        return {"loss": (losses.sum(), losses.numel())}

    @torch.no_grad()
    def score(self, items: np.ndarray, random: Random) -> Tensor:
        """Nats of each token of windows but the first, given those before it, (N, L), CPU."""
        return self._token_losses(items, None).cpu()

    def write(self, prompts: Sequence[str], writing: Writing, random: Random) -> Iterator[Draft]:
        """Each prompt goes on token by token: see `causal_writing`."""
        return write_on(self.model, self.form, prompts, writing, random)

    def _token_losses(self, items: np.ndarray, random: Random | None) -> Tensor:
        device = next(self.model.parameters()).device
        tokens = self.form.to_model(items, device)
        read, asked = tokens[:, :-1], tokens[:, 1:]
        documents = self.form.document_numbers(read)
        logits = self.model(read, documents=documents, random=random)
        smoothing = self.config.label_smoothing if random is not None else 0.0
        return F.cross_entropy(
            logits.float().flatten(0, 1),
            asked.flatten(),
            reduction="none",
            label_smoothing=smoothing,
        ).view(asked.shape)
