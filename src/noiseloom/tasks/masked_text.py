"""Text by masked diffusion (MDLM, arXiv:2406.07524; `objective: masked-diffusion`).

The network sees a whole window, some of it masked, and says what is behind the masks. It reads one
token more than a causal one of the same context: all that a window holds, the first among them.
Documents of a window are not kept apart: where one ends is itself behind a mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Batch, TextForm
from noiseloom.diffusion.discrete import (
    MASKINGS,
    Linear,
    Masking,
    continuous_bound,
    draw_numbers,
    hide_some,
    nats_behind,
)
from noiseloom.networks.language_model import LanguageModel
from noiseloom.seeds import Random
from noiseloom.tasks import Draft, Writing
from noiseloom.tasks.holes import read_prompt
from noiseloom.tasks.masked_writing import look_by_look, write_masks

LOOKS = 16  # masks of each window behind the bound that is reported


@dataclass(frozen=True, kw_only=True)
class MaskedDiffusion:
    """Any tokens from all others."""

    masking: Masking = option(
        help="how many tokens are masked how often, and uncovered in a look",
        choices=MASKINGS,
        default_factory=Linear,
    )

    def build(self, network: Any, form: TextForm) -> MaskedText:
        """The task on windows of `form`, its network freshly initialised."""
        vocabulary = form.tokenizer.vocabulary
        model = network.build(vocabulary, form.item_shape[-1], causal=False, read_only=1)
        return MaskedText(self, model, form)


class MaskedText:
    """A model of what is behind the masks of a window of text, whichever tokens they hide."""

    is_bound = True

    def __init__(self, config: MaskedDiffusion, model: LanguageModel, form: TextForm) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.mask = form.tokenizer.vocabulary  # is read, and never written

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """An estimate of the bound of each window from one mask, nats per token, (B,)."""
        tokens = self._tokens(batch.items)
        number = torch.full((len(tokens),), tokens.shape[1])
        hidden, weight = draw_numbers(self.config.masking, number, random.stratified("numbers"))
        is_hidden = hide_some(torch.ones_like(tokens, dtype=torch.bool), hidden, random)
        dropping = random if training else None
        nats = nats_behind(
            lambda x: self.model(x, random=dropping), tokens, is_hidden, self.mask
        ).sum(dim=1)
        return nats * weight.to(nats) / tokens.shape[1]

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed bound and the number of tokens."""
        tokens = batch.items.shape[1]
        losses = self.losses(batch, random)
        return {"loss": (losses.sum() * tokens, losses.numel() * tokens)}

    @torch.no_grad()
    def score(self, items: np.ndarray, random: Random) -> Tensor:
        """The bound of windows' tokens but the first, given the first, nats, (N, L), on the CPU.

        It is estimated from `LOOKS` masks a window; only the sum over a window means something.
        """
        tokens = self._tokens(items)
        given = torch.zeros_like(tokens, dtype=torch.bool)
        given[:, 0] = True
        nats = continuous_bound(self.model, tokens, self.mask, random, looks=LOOKS, given_BL=given)
        return nats[:, 1:].cpu()

    @torch.no_grad()
    def behind(self, items: np.ndarray, is_hidden: np.ndarray) -> Tensor:
        """Log-probabilities of the hidden tokens of windows, (hidden, V) float32, on the CPU."""
        hidden = torch.from_numpy(is_hidden)
        logits = self.model(self._tokens(items).masked_fill(hidden.to(self._device), self.mask))
        return logits[hidden.to(logits.device)].float().log_softmax(dim=-1).cpu()

    def write(self, prompts: Sequence[str], writing: Writing, random: Random) -> Iterator[Draft]:
        """Fill in the masks of each prompt, or go on from it: see `masked_writing`."""
        return write_masks(self.model, self.form, prompts, writing, random, self.config.masking)

    def uncover(
        self, prompts: Sequence[str], writing: Writing, random: Random
    ) -> Iterator[Sequence[Sequence[int]]]:
        """See `tasks.WritesAnywhere`."""
        masking = self.config.masking
        looks = look_by_look(self.model, self.form, prompts, writing, random, masking)
        context = self.model.context
        given = [read_prompt(self.form.tokenizer, prompt, context) for prompt in prompts]
        return chain([given], ([list(text.tokens) for text in texts] for texts in looks))

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _tokens(self, items: np.ndarray) -> Tensor:
        return self.form.to_model(items, self._device)
