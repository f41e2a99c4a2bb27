"""A transformer over a series: patches of steps are its tokens, one answer comes out.

A patch is a few steps of all channels (Nie et al. 2023, arXiv:2211.14730, without their splitting
of channels). The answer is read off the mean of the tokens, what the series is like as a whole, and
off the last one, where it stands now.
Shapes: B series, S steps, C channels, L patches, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.transformer.attention import Sight, check_heads
from noiseloom.transformer.blocks import Block, Parts, drop, norm_of
from noiseloom.transformer.feed_forward import Activation
from noiseloom.transformer.positions import grid, rotary


@dataclass(frozen=True, kw_only=True)
class Config:
    """A transformer over patches of a series."""

    answers: ClassVar[tuple[Answer, ...]] = ("classes", "numbers")

    patch: int = option(8, "steps of a series that are one token")
    width: int = option(64, "numbers per token")
    depth: int = option(2, "transformer blocks")
    heads: int = option(4, "attention heads")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("gelu", "between the two maps of the feed-forward")
    dropout: float = option(0.1, "share of each branch's output dropped in training")

    def __post_init__(self) -> None:
        if min(self.patch, self.width, self.depth, self.heads) < 1:
            raise ValueError(
                f"patch {self.patch}, width {self.width}, depth {self.depth} and heads "
                f"{self.heads} are given; each must be at least 1"
            )
        check_heads(self.width, self.heads, self.heads)
        if (self.width // self.heads) % 2:
            raise ValueError(
                f"a head of width {self.width // self.heads} (width / heads) is given; rotary "
                "positions allow an even number"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(self, item_shape: Sequence[int], outputs: int) -> SeriesEncoder:
        """The network for series (steps, channels), with `outputs` numbers for each.

        Raises ValueError for items that are no series.
        """
        if len(item_shape) != 2:
            raise ValueError(
                f"series-encoder reads series (steps, channels); the data's items have shape "
                f"{tuple(item_shape)}. Use data series with it"
            )
        return SeriesEncoder(self, item_shape, outputs)


class SeriesEncoder(nn.Module):
    """Series to numbers; starts with all of them at 0."""

    rotation: Tensor

    def __init__(self, config: Config, item_shape: Sequence[int], outputs: int) -> None:
        super().__init__()
        steps, channels = item_shape
        self.config = config
        patches = -(-steps // config.patch)
        self.missing = patches * config.patch - steps
        self.enter = nn.Linear(config.patch * channels, config.width)
        parts = Parts(
            width=config.width,
            heads=config.heads,
            hidden=round(config.feed_forward * config.width),
            activation=config.activation,
            norm="rms",
            dropout=config.dropout,
        )
        self.blocks = nn.ModuleList(Block(parts) for _ in range(config.depth))
        self.norm = norm_of(parts)
        self.head = nn.Linear(2 * config.width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        turned = rotary(grid([patches]), config.width // config.heads, longest=max(100.0, patches))
        self.register_buffer("rotation", turned, persistent=False)

    def forward(self, x_BSC: Tensor, random: Random | None = None) -> Tensor:
        """Numbers (B, outputs), such as logits; with `random`, drop-out is on."""
        if self.missing:  # the first patch is filled up with the first value
            first = x_BSC[:, :1].expand(-1, self.missing, -1)
            x_BSC = torch.cat([first, x_BSC], dim=1)
        x_BLW = self.enter(x_BSC.unflatten(1, (-1, self.config.patch)).flatten(2))
        sight = Sight(self.rotation)
        for index, block in enumerate(self.blocks):
            x_BLW = block(x_BLW, sight, random=random and random.under(f"block{index}"))
        x_BLW = self.norm(x_BLW)
        pooled = torch.cat([x_BLW.mean(dim=1), x_BLW[:, -1]], dim=1)
        answer: Tensor = self.head(drop(pooled, self.config.dropout, random, "pooled"))
        return answer
