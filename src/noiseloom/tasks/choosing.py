"""Which tokens texts go on with, as it was wished for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.seeds import Random
from noiseloom.tasks import Writing
from noiseloom.transformer.decoding import choose, repel, uniforms


def never(tokenizer: Tokenizer, end: int | None, device: torch.device) -> Tensor | None:
    """Which tokens (V,) are no text, nor the `end` of one where texts have it; None: none."""
    is_never = torch.zeros(tokenizer.vocabulary, dtype=torch.bool)
    is_never[tokenizer.pieces :] = True
    if end is not None:
        is_never[end] = False
    return is_never.to(device) if is_never.any() else None


class Chooser:
    """Chooses tokens for texts as they are wished for; never a special but the `end` of a text.

    `texts` are what stands there before anything is written.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        texts: Sequence[Sequence[int]],
        writing: Writing,
        random: Random,
        *,
        end: int | None,
        device: torch.device,
    ) -> None:
        self.writing = writing
        self.numbers = uniforms(random.under("writing")) if writing.temperature > 0 else None
        self.is_never = never(tokenizer, end, device)
        self.seen: Tensor | None = None
        if writing.repetition_penalty != 1:
            self.seen = torch.zeros(len(texts), tokenizer.vocabulary, dtype=torch.bool)
            for row, text in zip(self.seen, texts, strict=True):
                row[list(text)] = True
            self.seen = self.seen.to(device)

    @torch.inference_mode()
    def choose(self, logits_BV: Tensor, live: Sequence[int]) -> list[int]:
        """The next token of each of the texts `live`."""
        writing, seen = self.writing, self.seen
        if self.is_never is not None:
            logits_BV = logits_BV.masked_fill(self.is_never, -torch.inf)
        if seen is not None:
            logits_BV = repel(logits_BV, seen[list(live)], writing.repetition_penalty)
        uniform = None
        if self.numbers is not None:
            uniform = next(self.numbers)
            if len(live) < len(uniform):
                uniform = uniform[list(live)]
        chosen: list[int] = choose(
            logits_BV,
            uniform,
            temperature=writing.temperature,
            top_k=writing.top_k,
            top_p=writing.top_p,
            min_p=writing.min_p,
        ).tolist()
        if seen is not None:
            seen[list(live), chosen] = True
        return chosen
