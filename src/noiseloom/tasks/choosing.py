"""Which tokens texts go on with, as it was wished for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.seeds import Random
from noiseloom.tasks import Writing
from noiseloom.transformer.decoding import choose, repel, uniforms


def writable(logits_BV: Tensor, tokenizer: Tokenizer, end: int | None) -> Tensor:
    """The logits of tokens that may be written: of text and, where texts have it, of their `end`.

    They come first; the end is the first special.
    """
    return logits_BV[:, : tokenizer.pieces if end is None else end + 1]


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
        self.tokenizer, self.end = tokenizer, end
        self.seen: Tensor | None = None
        if writing.repetition_penalty != 1:
            seen = torch.zeros(len(texts), tokenizer.vocabulary, dtype=torch.bool)
            for row, text in zip(seen, texts, strict=True):
                row[list(text)] = True
            self.seen = writable(seen, tokenizer, end).to(device)

    @torch.inference_mode()
    def choose(self, logits_BV: Tensor, live: Sequence[int]) -> list[int]:
        """The next token of each of the texts `live`."""
        writing, seen = self.writing, self.seen
        logits_BV = writable(logits_BV, self.tokenizer, self.end)
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
