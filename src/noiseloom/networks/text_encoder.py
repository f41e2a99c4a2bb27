"""A transformer that reads a text, or two, and answers numbers: of the whole, or of each token.

Shapes: B batch, C texts of an item, L tokens of a text, W width, O outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.grams import check_tables, tables
from noiseloom.seeds import Random
from noiseloom.transformer import masks
from noiseloom.transformer.attention import Sight, check_heads
from noiseloom.transformer.blocks import Block, Norm, Parts, drop, norm_of
from noiseloom.transformer.feed_forward import Activation
from noiseloom.transformer.positions import grid, rotary

Pooling = Literal["mean", "attention", "max"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A transformer that reads one text or two."""

    answers: ClassVar[tuple[Answer, ...]] = ("classes", "numbers", "spans")

    width: int = option(128, "numbers per token")
    depth: int = option(2, "transformer blocks")
    heads: int = option(4, "attention heads")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("gelu", "between the two maps of the feed-forward")
    norm: Norm = option("rms", "how hidden numbers are normalised")
    qk_norm: bool = option(True, "whether queries and keys are normalised")
    ngrams: tuple[int, ...] = option(
        (), "rows of the tables of the last 2, 3, … tokens together, found by hash"
    )
    ngram_width: int = option(32, "numbers in a row of these tables")
    ngram_dropout: float = option(0.0, "share of what these tables say that training leaves out")
    apart: bool = option(False, "whether each of two texts is read without the other")
    pooling: Pooling = option("mean", "how a text's tokens become one")
    dropout: float = option(0.1, "share of each branch, and of what is pooled, dropped in training")
    embedding_dropout: float = option(0.1, "share of what stands for a token dropped in training")
    embedding_spread: float = option(
        0.02, "spread of the numbers that tokens begin with: small, and rare ones begin unheard"
    )
    token_dropout: float = option(0.0, "share of tokens that are hidden in training")

    def __post_init__(self) -> None:
        check_heads(self.width, self.heads, self.heads)
        if (self.width // self.heads) % 2:
            raise ValueError(
                f"a head of width {self.width // self.heads} (width / heads) is given; rotary "
                "positions allow an even number"
            )
        for name in ("dropout", "embedding_dropout", "token_dropout"):
            if not 0 <= (share := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {share}; allowed is 0 to below 1")
        if not 0 < self.embedding_spread < math.inf:
            raise ValueError(f"embedding_spread is {self.embedding_spread}; allowed is above 0")
        check_tables(self.ngrams, self.ngram_width, self.ngram_dropout)

    def build(
        self,
        vocabulary: int,
        context: int,
        columns: int,
        outputs: int,
        *,
        pooled: bool = True,
        told: int = 0,
    ) -> TextEncoder:
        """The network for items of `columns` texts, each of up to `context` tokens.

        It answers `outputs` numbers of an item or, where not `pooled`, of each token. It is told
        `told` numbers of each token.
        """
        return TextEncoder(self, vocabulary, context, columns, outputs, pooled, told)


class TextEncoder(nn.Module):
    """Tokens to numbers; starts with all of them at 0.

    The texts of an item stand side by side, each told apart by what is added to its tokens and
    counted from 0, so that the same places of two texts are 0 apart.
    """

    rotation: Tensor

    def __init__(
        self,
        config: Config,
        vocabulary: int,
        context: int,
        columns: int,
        outputs: int,
        pooled: bool,
        told: int,
    ) -> None:
        super().__init__()
        self.config, self.context, self.columns, self.pooled = config, context, columns, pooled
        width = config.width
        self.hidden = vocabulary  # stands for a token that is hidden
        self.embed = nn.Embedding(vocabulary + 1, width)
        nn.init.normal_(self.embed.weight, std=config.embedding_spread)
        self.segments = nn.Parameter(torch.zeros(columns, 1, width)) if columns > 1 else None
        self.hear = nn.Linear(told, width) if told else None
        parts = Parts(
            width=width,
            heads=config.heads,
            hidden=round(config.feed_forward * width),
            activation=config.activation,
            norm=config.norm,
            qk_norm=config.qk_norm,
            dropout=config.dropout,
        )
        self.blocks = nn.ModuleList(Block(parts) for _ in range(config.depth))
        self.grams = tables(
            config.ngrams,
            config.ngram_width,
            width,
            vocabulary + 1,
            dropout=config.ngram_dropout,
        )
        self.norm = norm_of(parts)
        self.weigh: nn.Linear | None = None
        if pooled and config.pooling == "attention":
            self.weigh = nn.Linear(width, 1, bias=False)
            nn.init.zeros_(self.weigh.weight)
        self.head = nn.Linear(
            width * (4 if columns == 2 else columns) if pooled else width, outputs
        )
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        turned = rotary(grid([context]), width // config.heads, longest=max(100.0, 2.0 * context))
        self.register_buffer("rotation", turned, persistent=False)

    def forward(
        self,
        tokens_BCL: Tensor,
        is_real_BCL: Tensor,
        *,
        told_BCLF: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """Numbers (B, O) of each item or, where not pooled, (B, C, L, O) of tokens, 0 of padding.

        `is_real_BCL` is false for padding, which changes no number of what is real; a text holds at
        least one token. With `random`, drop-out is on. Raises ValueError where a text is longer
        than the context.
        """
        x_BCLW = self.enter(tokens_BCL, told_BCLF=told_BCLF, random=random)
        return self.answer(x_BCLW, is_real_BCL, random=random)

    def answer(
        self, x_BCLW: Tensor, is_real_BCL: Tensor, *, random: Random | None = None
    ) -> Tensor:
        """The numbers of `forward`, from tokens that have entered."""
        batch, columns, length, _ = x_BCLW.shape
        beside = 1 if self.config.apart else columns  # texts that see one another
        x = x_BCLW.reshape(-1, beside * length, self.config.width)
        is_real = is_real_BCL.reshape(-1, beside * length)
        rotation = self.rotation[:, :length].repeat(1, beside, 1)
        used = is_real.any(dim=0).nonzero()[:, 0]  # the others are padding in every item
        sight = Sight(rotation[:, used], masks.real(is_real[:, used]))
        read = x[:, used]
        each = random and random.split(columns // beside)
        for index, block in enumerate(self.blocks):
            read = block(read, sight, random=each and each.under(f"block{index}"))
        x_BCLW = x.index_copy(1, used, read).view(batch, columns, length, -1)
        if not self.pooled:
            numbers: Tensor = self.head(self.norm(x_BCLW))
            return numbers.masked_fill(~is_real_BCL[..., None], 0)
        pooled = self._together(self.norm(self._pool(x_BCLW, is_real_BCL[..., None])))
        numbers = self.head(drop(pooled, self.config.dropout, random, "pooled"))
        return numbers

    def enter(
        self,
        tokens_BCL: Tensor,
        *,
        told_BCLF: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """Hidden numbers (B, C, L, W) of tokens, before they see one another; as in `forward`."""
        columns, length = tokens_BCL.shape[1:]
        if length > self.context:
            raise ValueError(
                f"{length:,} tokens are given; this network reads texts of up to {self.context:,}"
            )
        if random is not None and (share := self.config.token_dropout):
            hidden = random.chance("tokens", share, (columns, length)).to(tokens_BCL.device)
            tokens_BCL = tokens_BCL.masked_fill(hidden, self.hidden)
        x_BCLW: Tensor = self.embed(tokens_BCL)
        if self.segments is not None:
            x_BCLW = x_BCLW + self.segments
        if self.grams:
            rows = tokens_BCL.flatten(0, 1)
            nothing = torch.full_like(rows[:, :1], self.hidden + 1)
            rows = torch.cat([nothing.expand(-1, len(self.grams)), rows], dim=1)
            for grams in self.grams:
                x_BCLW = x_BCLW + grams(rows, length, random=random).view_as(x_BCLW)
        if self.hear is not None:
            x_BCLW = x_BCLW + self.hear(told_BCLF)
        return drop(x_BCLW, self.config.embedding_dropout, random, "entering")

    def _pool(self, x_BCLW: Tensor, is_real_BCL1: Tensor) -> Tensor:
        """One vector for each text, (B, C, W)."""
        if self.config.pooling == "max":
            return x_BCLW.masked_fill(~is_real_BCL1, float("-inf")).amax(dim=2)
        if self.weigh is not None:
            logits = self.weigh(self.norm(x_BCLW)).float().masked_fill(~is_real_BCL1, -1e9)
            weights = logits.softmax(dim=2).to(x_BCLW.dtype)
        else:
            weights = is_real_BCL1 / is_real_BCL1.sum(dim=2, keepdim=True).clamp(min=1)
        return (x_BCLW * weights).sum(dim=2)

    def _together(self, x_BCW: Tensor) -> Tensor:
        """The texts of an item side by side; of two also how they differ and agree, (B, ·)."""
        if self.columns != 2:
            return x_BCW.flatten(1)
        first, second = x_BCW.unbind(dim=1)
        return torch.cat([first, second, (first - second).abs(), first * second], dim=1)
