"""The smallest denoiser that works: a residual multi-layer perceptron on flattened items."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.embeddings import Condition, LevelAndLabel
from noiseloom.seeds import Random
from noiseloom.transformer.blocks import drop
from noiseloom.transformer.feed_forward import FeedForward
from noiseloom.transformer.modulation import Modulation, modulated_norm, modulation_table


@dataclass(frozen=True, kw_only=True)
class Config:
    """A multi-layer perceptron: for 2-D points, and as the plain baseline on small images."""

    answers: ClassVar[Answer] = "items"

    width: int = option(512, "numbers in the hidden state")
    depth: int = option(4, "residual blocks")
    dropout: float = option(0.0, "share of each block's output dropped in training")

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"width {self.width}, depth {self.depth} and dropout {self.dropout} are given; "
                "allowed is width and depth of at least 1 and dropout from 0 to below 1"
            )

    def build(
        self, item_shape: Sequence[int], num_classes: int, told: int = 0, outputs: int = 1
    ) -> "MLP":
        """The network for items of `item_shape` with labels 0 … num_classes - 1 (0: no labels).

        `told` as in `LevelAndLabel`, `outputs` as in `noiseloom.networks`.
        """
        return MLP(self, item_shape, num_classes, told, outputs)


class MLP(nn.Module):
    """Flatten, embed, `depth` modulated residual blocks, project back; starts at output 0."""

    def __init__(
        self,
        config: Config,
        item_shape: Sequence[int],
        num_classes: int,
        told: int = 0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        size = math.prod(item_shape)
        self.condition = LevelAndLabel(config.width, num_classes, told)
        self.modulation = Modulation(config.width, condition_width=config.width, branches=1)
        self.enter = nn.Linear(size, config.width)
        self.blocks = nn.ModuleList(
            ResidualBlock(config.width, config.dropout) for _ in range(config.depth)
        )
        self.leave = nn.Linear(config.width, outputs * size)
        self.answer_shape = (outputs * item_shape[0], *item_shape[1:])
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        condition: Tensor | Condition | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """`level` is one number per item: a flat network has no parts with levels of their own."""
        if level.ndim != 1:
            raise ValueError(
                f"mlp was given noise levels of shape {tuple(level.shape)}; it takes one per item"
            )
        modulation = self.modulation(self.condition(level, condition))[:, None]
        hidden = self.enter(x.flatten(1))[:, None]
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, modulation, random and random.under(f"block{index}"))
        answer = self.leave(F.layer_norm(hidden, hidden.shape[-1:]))
        return answer.view(len(x), *self.answer_shape)


class ResidualBlock(nn.Module):
    """Two linear maps with GELU between, modulated by the condition; starts as the identity."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.table = modulation_table(width, branches=1)
        self.feed_forward = FeedForward(width, hidden=2 * width, activation="gelu")
        self.dropout = dropout

    def forward(self, x_B1W: Tensor, modulation: Tensor, random: Random | None) -> Tensor:
        scale, shift, gate = (modulation + self.table).unbind(dim=-2)
        fed = self.feed_forward(modulated_norm(x_B1W, scale, shift))
        return torch.addcmul(x_B1W, drop(fed, self.dropout, random, "feed-forward"), gate)
