"""Find the part of a context that answers a question (Rajpurkar et al. 2016, arXiv:1606.05250).

Shapes: B batch, L tokens of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form, TextForm
from noiseloom.data.tokenizer import PAD, Tokenizer
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.tasks import Task
from noiseloom.tasks.shared_words import TOLD, SharedWords

COLUMNS = ("context", "question")
NOTHING = -1e4  # the logit of where no answer can begin or end


@dataclass(frozen=True, kw_only=True)
class Config:
    """Answers that stand in a context: where they begin and where they end."""

    answers: ClassVar[Answer] = "spans"

    longest: Annotated[int, Ge(1)] = option(24, "tokens of an answer at most")
    shared_words: bool = option(
        True, "whether the model is told which words stand in both texts; else it has to learn it"
    )

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> QuestionAnswering:
        """The task on questions with contexts, with a network of the config `network`.

        Raises ValueError where the data is something else.
        """
        if not isinstance(form, TextForm) or form.columns != COLUMNS:
            raise ValueError(
                "task question-answering learns from contexts with questions: use data questions"
            )
        return QuestionAnswering(self, Reader(network, form, self.shared_words), form)


class Reader(nn.Module):
    """A network of two texts made into logits of where in the first an answer begins and ends.

    After those of its tokens stand those of there being no answer, read off the question's first
    token: of a long context, which is read in windows, most windows do not hold it.
    """

    def __init__(self, network: Any, form: TextForm, shared_words: bool) -> None:
        super().__init__()
        self.pad = form.tokenizer.special(PAD)
        self.shared = SharedWords(form.tokenizer) if shared_words else None
        self.network = network.build(
            form.tokenizer.vocabulary,
            form.context,
            len(form.columns),
            2,
            pooled=False,
            told=TOLD if shared_words else 0,
        )

    def forward(self, tokens_B2L: Tensor, random: Random | None = None) -> Tensor:
        """Logits of first and last tokens, (B, 2, L + 1); with `random`, drop-out is on."""
        return self.answer(self.enter(tokens_B2L, random), tokens_B2L != self.pad, random)

    def enter(self, tokens_B2L: Tensor, random: Random | None = None) -> Tensor:
        """What tokens enter the network as, (B, 2, L, W), and which words stand in both texts."""
        told = None
        if self.shared is not None:
            told = torch.stack(self.shared(tokens_B2L[:, 0], tokens_B2L[:, 1]), dim=1)
        entered: Tensor = self.network.enter(tokens_B2L, told_BCLF=told, random=random)
        return entered

    def answer(self, x_B2LW: Tensor, is_real_B2L: Tensor, random: Random | None = None) -> Tensor:
        """The logits of `forward`, from tokens that have entered."""
        numbers_B2L2 = self.network.answer(x_B2LW, is_real_B2L, random=random).float()
        context = numbers_B2L2[:, 0].masked_fill(~is_real_B2L[:, 0, :, None], NOTHING)
        return torch.cat([context, numbers_B2L2[:, 1, :1]], dim=1).mT


class QuestionAnswering:
    """The loss of a reader on questions with contexts, and what it finds in others."""

    def __init__(self, config: Config, model: Reader, form: TextForm) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.words = Words(form.tokenizer)

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Cross entropy of the first token and of the last, nats, (B,)."""
        logits = self.model(self._tokens(batch.items), random if training else None)
        spans = torch.from_numpy(np.array(batch.labels)).to(logits.device)
        spans = torch.where(spans < 0, logits.shape[2] - 1, spans)
        first, last = (
            F.cross_entropy(logits[:, end], spans[:, end], reduction="none") for end in (0, 1)
        )
        return first + last

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of questions."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def find(self, items: np.ndarray) -> tuple[Tensor, Tensor]:
        """The first and last token (N, 2) of each answer, int64, and its probability (N,), CPU.

        It is the likeliest run of whole words of at most `longest` tokens; the probability also
        weighs that there is no answer.
        """
        tokens = self._tokens(items)
        logits = self.model(tokens).cpu()
        begins, ends = self.words.bounds(tokens[:, 0].cpu())
        return best_spans(
            logits.log_softmax(dim=2)[..., :-1], begins, ends, longest=self.config.longest
        )

    def _tokens(self, items: np.ndarray) -> Tensor:
        return self.form.to_model(items, next(self.model.parameters()).device)


class Words:
    """Where words begin and end among tokens, which may be parts of words."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        pieces = [tokenizer.piece(token) for token in range(tokenizer.vocabulary)]
        self.opens = torch.tensor([_in_word(piece[:1]) for piece in pieces])
        self.closes = torch.tensor([_in_word(piece[-1:]) for piece in pieces])
        self.is_blank = torch.tensor([not piece.strip() for piece in pieces])

    def bounds(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Whether a word begins, and whether one ends, with each token, (B, L); with no space."""
        joined = self.closes[tokens_BL[:, :-1]] & self.opens[tokens_BL[:, 1:]]
        blank = self.is_blank[tokens_BL]
        return ~(F.pad(joined, (1, 0)) | blank), ~(F.pad(joined, (0, 1)) | blank)


def best_spans(
    log_probabilities_B2L: Tensor, begins_BL: Tensor, ends_BL: Tensor, *, longest: int
) -> tuple[Tensor, Tensor]:
    """The likeliest spans, (B, 2), first and last included, and their probabilities, (B,).

    A span begins and ends where it may, and is of at most `longest` tokens.
    """
    first = log_probabilities_B2L[:, 0].masked_fill(~begins_BL, NOTHING)
    last = log_probabilities_B2L[:, 1].masked_fill(~ends_BL, NOTHING)
    length = first.shape[1]
    apart = torch.arange(length) - torch.arange(length)[:, None]
    together = first[:, :, None] + last[:, None, :]
    together = together.masked_fill((apart < 0) | (apart >= longest), 3 * NOTHING)
    best, place = together.flatten(1).max(dim=1)
    return torch.stack([place // length, place % length], dim=1), best.exp()


def _in_word(byte: bytes) -> bool:
    """Whether a byte is a letter's or a digit's; all beyond ASCII are."""
    return byte.isalnum() or byte >= b"\x80"
