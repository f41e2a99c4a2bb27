"""Say what stands behind masks (BERT, Devlin et al. 2018, arXiv:1810.04805, section 3.1).

Of some tokens of each window, chosen by chance, the network is asked what they are. Most of these
are masked, some are another token and some what they were, so that it cannot trust what it sees.
Unlike a model of masked diffusion it has never seen a text of which little is left, and does not
say how likely a text is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.dataset import Split
from noiseloom.data.forms import Batch, Form, TextForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.discrete import Denoise, Linear, hide_some
from noiseloom.diffusion.unmasking import UNMASKINGS, plan_of
from noiseloom.errors import InputError
from noiseloom.networks import Answer
from noiseloom.networks.language_model import LanguageModel
from noiseloom.seeds import Random
from noiseloom.tasks import Candidate, Draft, Task, Writing
from noiseloom.tasks.holes import HOLE, read_prompt, show
from noiseloom.tasks.masked_writing import check, denoiser

MASKED, REPLACED = 0.8, 0.1  # shares of what is asked for; the rest stays what it was
SHOWN = 4  # windows of which a look at a training shows a part, with masks
FIRST_SHOWN, SHOWN_EVERY = 3, 7  # where the first mask stands, and how far the next is


@dataclass(frozen=True, kw_only=True)
class Config:
    """What stands behind masks."""

    answers: ClassVar[Answer] = "masks"

    share: float = option(0.15, "share of each window's tokens that is asked for")

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}; allowed is above 0 and below 1")

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> FillMask:
        """The task on windows of text, with a network of the config `network`, freshly initialised.

        Raises ValueError where the data is no text.
        """
        if not isinstance(form, TextForm) or form.columns:
            raise ValueError("task fill-mask learns from windows of text: use data text")
        vocabulary, window = form.tokenizer.vocabulary, form.item_shape[-1]
        model = network.build(vocabulary, window, causal=False, read_only=1)
        return FillMask(self, model, form)


class FillMask:
    """The loss of a masked language model on windows of text, and what it says behind masks."""

    usual = Writing(temperature=0.0)

    def __init__(self, config: Config, model: LanguageModel, form: TextForm) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.mask = form.tokenizer.vocabulary  # is read, and never written

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The mean cross entropy of each window's tokens that are asked for, nats, (B,).

        All of them are masked where it is not `training`.
        """
        nats, asked = self._asked(batch.items, random, training)
        return nats.sum(dim=1) / asked

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of tokens asked for."""
        nats, asked = self._asked(batch.items, random, training=True)
        return {"loss": (nats.sum(), asked * len(nats))}

    @torch.no_grad()
    def behind(self, items: np.ndarray, is_hidden: np.ndarray) -> Tensor:
        """Log-probabilities of the hidden tokens of windows, (hidden, V) float32, on the CPU."""
        hidden = torch.from_numpy(is_hidden)
        tokens = self.form.to_model(items).masked_fill(hidden, self.mask)
        logits = self.model(tokens.to(next(self.model.parameters()).device))
        return logits[hidden.to(logits.device)].float().log_softmax(dim=-1).cpu()

    @torch.no_grad()
    def candidates(self, prompt: str, most: int) -> list[list[Candidate]]:
        """For each `<mask>` of a prompt its likeliest tokens, all masks being unfilled."""
        x = self._read(prompt)
        tokenizer = self.form.tokenizer
        logits = self._denoiser(Writing())(x)[x == self.mask].double()
        found = logits.softmax(dim=-1).topk(min(most, tokenizer.pieces), dim=-1)
        return [
            [
                Candidate(tokenizer.decode([token]), probability)
                for token, probability in zip(tokens, probabilities, strict=True)
            ]
            for tokens, probabilities in zip(
                found.indices.tolist(), found.values.tolist(), strict=True
            )
        ]

    def write(self, prompts: Sequence[str], writing: Writing, random: Random) -> Iterator[Draft]:
        """Each prompt with its masks filled in, one token a look, by default the surest first.

        A draft is the whole text, `_` for a mask that is left. Raises InputError for a prompt
        that cannot be read or has no mask, and for wishes that are not for this kind of model.
        """
        check(writing)
        if writing.stop:
            raise InputError("--stop ends texts that go on; this run fills in masks. Leave it out")
        return self._write([self._read(prompt) for prompt in prompts], writing, random)

    def ask(self, held_out: Split) -> list[tuple[str, str]]:
        """Held-out text with every seventh token masked, and as it is."""
        places = np.linspace(0, len(held_out) - 1, SHOWN).round().astype(int)
        decode, half = self.form.tokenizer.decode, max(1, self.form.context // 2)
        asked = []
        for item in held_out.items[np.unique(places)]:
            text = item[:half].tolist()
            parts = [text[:FIRST_SHOWN]]
            parts += [
                text[start + 1 : start + SHOWN_EVERY]
                for start in range(FIRST_SHOWN, half, SHOWN_EVERY)
            ]
            if not HOLE.search(decode(text)):  # else text would be read as a mask
                asked.append(("<mask>".join(map(decode, parts)), decode(text)))
        return asked

    def _asked(self, items: np.ndarray, random: Random, training: bool) -> tuple[Tensor, int]:
        """The nats of the tokens asked for, 0 for all others (B, L), and how many each window."""
        tokens = self.form.to_model(items, next(self.model.parameters()).device)
        asked = max(1, round(self.config.share * tokens.shape[1]))
        everywhere = torch.ones_like(tokens, dtype=torch.bool)
        is_asked = hide_some(everywhere, torch.full((len(tokens),), asked), random)
        seen = tokens.masked_fill(is_asked, self.mask)
        if training:
            seen = torch.where(is_asked, self._disguised(tokens, random), tokens)
        logits = self.model(seen, random=random if training else None).float()
        nats = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
        return nats.view(tokens.shape) * is_asked, asked

    def _disguised(self, tokens_BL: Tensor, random: Random) -> Tensor:
        """What is seen in the place of tokens: a mask, another token, or what they are."""
        chance = random.uniform("disguise", tokens_BL.shape[1:]).to(tokens_BL.device)
        other = random.uniform("other", tokens_BL.shape[1:]) * self.form.tokenizer.vocabulary
        seen = tokens_BL.masked_fill(chance < MASKED, self.mask)
        is_replaced = (chance >= MASKED) & (chance < MASKED + REPLACED)
        return torch.where(is_replaced, other.long().to(seen), seen)

    def _denoiser(self, writing: Writing) -> Denoise:
        return denoiser(self.model, self.form, writing, may_end=[False])

    def _read(self, prompt: str) -> Tensor:
        """The tokens (1, L) of a prompt with masks."""
        tokens = read_prompt(self.form.tokenizer, prompt, self.model.context)
        if self.mask not in tokens:
            raise InputError(
                "The prompt has no mask. Write <mask> for each token that this run shall fill in, "
                'such as "To be, or <mask> to be"'
            )
        return torch.tensor([tokens], device=next(self.model.parameters()).device)

    def _write(self, texts: list[Tensor], writing: Writing, random: Random) -> Iterator[Draft]:
        """One text after the other: they differ in length, and what is beside them is not there."""
        unmask = UNMASKINGS[writing.unmasking]
        for place, x in enumerate(texts):
            plan = plan_of(Linear(), (x == self.mask).sum(dim=1), writing.steps)
            own = replace(random, items=[random.items[place]])
            for reveal in unmask(
                self._denoiser(writing), x, self.mask, plan, own, writing.temperature
            ):
                texts[place] = reveal.tokens
                rows = [text[0].tolist() for text in texts]
                yield Draft(
                    tuple(show(self.form.tokenizer, row) for row in rows),
                    sum(token != self.mask for row in rows for token in row),
                    is_done=place == len(texts) - 1 and not reveal.is_hidden.any(),
                    grows=False,
                )
