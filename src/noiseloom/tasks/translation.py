"""Translate a text (Vaswani et al. 2017, arXiv:1706.03762): read it, then write it anew.

Shapes: B batch, S source tokens, T target tokens, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.dataset import Split
from noiseloom.data.forms import Batch, Form, TextForm
from noiseloom.data.tokenizer import END, PAD, START
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.networks.seq2seq import Seq2seq
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Task, Writing
from noiseloom.tasks.translating import readable, translate

SHOWN = 4  # held-out pairs that a run is looked at by


@dataclass(frozen=True, kw_only=True)
class Config:
    """A text in other words: the second of a pair from the first."""

    answers: ClassVar[Answer] = "translations"

    label_smoothing: float = option(
        0.1, "share of each token that is spread evenly over all, in training"
    )

    beams: Annotated[int, Ge(1)] = option(
        5, "beams of the search for a translation; 1: the likeliest token every time"
    )
    length_penalty: float = option(
        1.0, "power of the length that a beam's log-probability is divided by: more is longer"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; allowed is 0 to below 1")

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "Translation":
        """The task on pairs of texts, with a network of the config `network`, freshly initialised.

        Raises ValueError where the data is no pairs.
        """
        if not isinstance(form, TextForm) or len(form.columns) != 2:
            raise ValueError("task translation learns from pairs of texts: use data pairs")
        return Translation(self, network.build(form.tokenizer.vocabulary, form.context), form)


class Translation:
    """The loss of a decoder that is shown the source and the translation up to each token."""

    def __init__(self, config: Config, model: Seq2seq, form: TextForm) -> None:
        self.config = config
        self.model = model
        self.form = form

    @property
    def usual(self) -> Writing:
        """How it translates where nothing else is asked."""
        return Writing(
            max_tokens=self.form.context,
            temperature=0.0,
            beams=self.config.beams,
            length_penalty=self.config.length_penalty,
        )

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The mean cross entropy over each translation's tokens and its end, nats, (B,)."""
        losses, asked = self._token_losses(batch.items, random if training else None)
        is_asked = asked != self.form.tokenizer.special(PAD)
        summed = losses.new_zeros(asked.shape).masked_scatter(is_asked, losses).sum(dim=1)
        return summed / is_asked.sum(dim=1)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of tokens."""
        losses, _ = self._token_losses(batch.items, random)
        return {"loss": (losses.sum(), losses.numel())}

    def write(self, prompts: Sequence[str], writing: Writing, random: Random) -> Iterator[Draft]:
        """The translations of `prompts`; see `translating.translate`."""
        return translate(self.model, self.form, prompts, writing, random)

    def ask(self, held_out: Split) -> Sequence[tuple[str, str]]:
        """Held-out sources at even places, as far as they can be read, and their translations."""
        places = np.unique(np.linspace(0, len(held_out) - 1, SHOWN).round().astype(int))
        tokenizer = self.form.tokenizer
        rows = [[tokenizer.decode(text) for text in item] for item in held_out.items[places]]
        asked = [(readable(one, tokenizer, self.form.context), other) for one, other in rows]
        return [(source, target) for source, target in asked if source]

    @torch.no_grad()
    def score_pairs(self, items: np.ndarray) -> tuple[Tensor, Tensor]:
        """Nats of each translation, its end among them, and its number of tokens, (N,), CPU."""
        losses, asked = self._token_losses(items, None)
        is_asked = asked != self.form.tokenizer.special(PAD)
        nats = losses.new_zeros(asked.shape).masked_scatter(is_asked, losses).sum(dim=1)
        return nats.cpu(), is_asked.sum(dim=1).cpu()

    def _token_losses(self, items: np.ndarray, random: Random | None) -> tuple[Tensor, Tensor]:
        """The loss of each token asked for, in a row, and what is asked, (B, T), padded."""
        pad = self.form.tokenizer.special(PAD)
        source, target = self._sides(items)
        read, asked = self.shifted(target)
        hidden = self.model(source, read, is_real=source != pad, random=random)
        is_asked = asked != pad
        losses = F.cross_entropy(
            self.model.leave(hidden[is_asked]).float(),
            asked[is_asked],
            reduction="none",
            label_smoothing=self.config.label_smoothing if random is not None else 0.0,
        )
        return losses, asked

    def _sides(self, items: np.ndarray) -> tuple[Tensor, Tensor]:
        """Source and target tokens, each as wide as its longest, on the model's device."""
        device = next(self.model.parameters()).device
        source, target = (
            self.form.to_model(items[:, side : side + 1])[:, 0].to(device) for side in (0, 1)
        )
        return source, target

    def shifted(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """What is read, from a START on, and what is asked at each place, up to an END.

        A target that fills its row may have been cut there: no END is asked of it.
        """
        tokenizer = self.form.tokenizer
        pad = tokenizer.special(PAD)
        if target.shape[1] < self.form.context:
            target = F.pad(target, (0, 1), value=pad)
        read = F.pad(target[:, :-1], (1, 0), value=tokenizer.special(START))
        length = (target != pad).sum(dim=1, keepdim=True)
        places = torch.arange(target.shape[1], device=target.device)
        return read, target.masked_fill(places == length, tokenizer.special(END))
