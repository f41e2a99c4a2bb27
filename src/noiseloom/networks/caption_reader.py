"""What a network that draws reads in captions: a small transformer, trained with it.

What it begins with is embedded tokens (here), or what a frozen model says of them
(`caption_states`). Shapes: B batch, L tokens of a caption, M = L + 1 with the start, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.networks.stack import Stack
from noiseloom.seeds import Random
from noiseloom.transformer import masks
from noiseloom.transformer.attention import Memory, Sight
from noiseloom.transformer.blocks import Parts

SHORTEST = 8  # tokens; captions are read in multiples of it, so that few lengths are met


class Wording(Protocol):
    """How captions reach a network: as rows of tokens filled up with `padding`.

    `embedding` makes of them, (B, L), what its reader begins with: hidden numbers (B, M, `width`),
    those of a start first, and which of them are real (B, M), M at most `longest` + 1.
    """

    @property
    def padding(self) -> int: ...

    @property
    def longest(self) -> int: ...

    def embedding(self, width: int) -> nn.Module: ...


@dataclass(frozen=True)
class Words:
    """The tokens that captions are made of: how many there are, the most of a caption, padding."""

    vocabulary: int
    longest: int
    padding: int

    def embedding(self, width: int) -> TokenEmbedding:
        """See `Wording`."""
        return TokenEmbedding(self, width)


class TokenEmbedding(nn.Module):
    """Tokens (B, L) to numbers of their own, after those of a start.

    Raises ValueError where a caption is longer than the longest.
    """

    def __init__(self, words: Words, width: int) -> None:
        super().__init__()
        self.words = words
        self.weight = nn.Parameter(torch.empty(words.vocabulary + 1, width))
        nn.init.normal_(self.weight)

    def forward(self, captions_BL: Tensor) -> tuple[Tensor, Tensor]:
        """See `Wording`."""
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
        return F.embedding(tokens_BM, self.weight), is_real


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
    """Captions (B, L) to hidden numbers (B, M, W), which are real (B, M), a summary (B, `told`).

    Each token sees all of its caption. A start, of which the summary is made, comes before it, so
    that something is there to look at where there is no caption.
    """

    def __init__(self, words: Wording, parts: Parts, depth: int, *, told: int) -> None:
        super().__init__()
        self.words = words
        self.embed = words.embedding(parts.width)
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
        embedded_BMW, is_real = self.embed(captions_BL)
        sight = Sight(self.stack.rotation[:, : is_real.shape[1]], masks.real(is_real))
        hidden = self.stack(embedded_BMW, sight, random=random)
        return hidden, is_real, self.summarise(hidden[:, 0])
