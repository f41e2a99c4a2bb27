"""What a network that draws reads in captions: a small transformer, trained with it.

Shapes: B batch, L tokens of a caption, M = L + 1 with the start, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from noiseloom.networks.stack import Stack
from noiseloom.seeds import Random
from noiseloom.transformer import masks
from noiseloom.transformer.attention import Memory, Sight
from noiseloom.transformer.blocks import Parts

SHORTEST = 8  # tokens; captions are read in multiples of it, so that few lengths are met


@dataclass(frozen=True)
class Words:
    """The tokens that captions are made of: how many there are, the most of a caption, padding."""

    vocabulary: int
    longest: int
    padding: int


@dataclass(frozen=True)
class Reading:
    """Captions as a network has read them: what each of its blocks looks at, and all in one.

    `summary` is (B, W).
    """

    memories: Sequence[Memory]
    summary: Tensor


@dataclass
class Kept:
    """Where a network keeps what it reads, to look there the next time; None: nothing yet."""

    reading: Reading | None = None


class CaptionReader(nn.Module):
    """Tokens (B, L) to hidden numbers (B, M, W), which are real (B, M), a summary (B, `told`).

    Each token sees all of its caption. A start, of which the summary is made, comes before it, so
    that something is there to look at where there is no caption.
    """

    def __init__(self, words: Words, parts: Parts, depth: int, *, told: int) -> None:
        super().__init__()
        self.words = words
        self.embed = nn.Embedding(words.vocabulary + 1, parts.width)
        self.stack = Stack(parts, depth, words.longest + 1)
        self.summarise = nn.Linear(parts.width, told)
        nn.init.zeros_(self.summarise.weight)
        nn.init.zeros_(self.summarise.bias)

    def forward(
        self, captions_BL: Tensor, random: Random | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See the class; padding changes no number of what is real. With `random`, drop-out is on.

        Raises ValueError where a caption is longer than the longest.
        """
        is_real = captions_BL != self.words.padding
        length = int(is_real.any(dim=0).sum())  # padding stands at the end
        if length > self.words.longest:
            raise ValueError(
                f"captions of {length:,} tokens are given; this network reads up to "
                f"{self.words.longest:,}"
            )
        length = min(captions_BL.shape[1], -(-length // SHORTEST) * SHORTEST)
        start = torch.full_like(captions_BL[:, :1], self.words.vocabulary)
        tokens_BM = torch.cat([start, captions_BL[:, :length]], dim=1)
        is_real = torch.cat([torch.ones_like(start, dtype=torch.bool), is_real[:, :length]], dim=1)
        sight = Sight(self.stack.rotation[:, : length + 1], masks.real(is_real))
        hidden = self.stack(self.embed(tokens_BM), sight, random=random)
        return hidden, is_real, self.summarise(hidden[:, 0])
