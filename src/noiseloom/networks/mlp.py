"""The smallest denoiser that works: a residual multi-layer perceptron on flattened items."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks.embeddings import TimeAndLabel
from noiseloom.seeds import Random
from noiseloom.transformer.blocks import Modulation, drop, modulated_norm


@dataclass(frozen=True, kw_only=True)
class Config:
    """A multi-layer perceptron: for 2-D points, and as the plain baseline on small images."""

    width: int = option(512, "numbers in the hidden state")
    depth: int = option(4, "residual blocks")
    dropout: float = option(0.0, "share of each block's output dropped in training")

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"width {self.width}, depth {self.depth} and dropout {self.dropout} are given; "
                "allowed is width and depth of at least 1 and dropout from 0 to below 1"
            )

    def build(self, item_shape: Sequence[int], num_classes: int) -> "MLP":
        """The network for items of `item_shape` with labels 0 … num_classes - 1 (0: no labels)."""
        return MLP(self, item_shape, num_classes)


class MLP(nn.Module):
    """Flatten, embed, `depth` modulated residual blocks, project back; starts at output 0."""

    def __init__(self, config: Config, item_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        size = math.prod(item_shape)
        self.condition = TimeAndLabel(config.width, num_classes)
        self.enter = nn.Linear(size, config.width)
        self.blocks = nn.ModuleList(
            ResidualBlock(config.width, config.dropout) for _ in range(config.depth)
        )
        self.leave = nn.Linear(config.width, size)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, x: Tensor, t: Tensor, condition: Tensor | None = None, random: Random | None = None
    ) -> Tensor:
        """`t` is one number per item: a flat network has no parts with times of their own."""
        if t.ndim != 1:
            raise ValueError(
                f"mlp was given t of shape {tuple(t.shape)}; it takes one time per item"
            )
        vector = self.condition(t, condition)
        hidden = self.enter(x.flatten(1))
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, vector, random and random.under(f"block{index}"))
        return self.leave(F.layer_norm(hidden, hidden.shape[-1:])).view_as(x)


class ResidualBlock(nn.Module):
    """Two linear maps with GELU between, modulated by the condition."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.modulation = Modulation(width, condition_width=width, branches=1)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = dropout

    def forward(self, x: Tensor, condition: Tensor, random: Random | None) -> Tensor:
        shift, scale, gate = self.modulation(condition)
        fed = self.down(F.gelu(self.up(modulated_norm(x, shift, scale))))
        return x + gate * drop(fed, self.dropout, random, "feed-forward")
