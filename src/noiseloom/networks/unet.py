"""The convolutional U-Net of diffusion, with attention where sides are small.

The shape is that of Ronneberger et al. 2015 (arXiv:1505.04597): what a block leaves on the way down
is joined to what its mirror image takes on the way up. Its blocks are those of `residual_block`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.embeddings import Condition, LevelAndLabel
from noiseloom.networks.residual_block import Place, Resample, ResidualBlock, group_norm
from noiseloom.seeds import Random


@dataclass(frozen=True, kw_only=True)
class Config:
    """A convolutional U-Net: needs no patches, and far more arithmetic a step than dit."""

    answers: ClassVar[Answer] = "items"

    channels: int = option(32, "channels at the full size")
    multipliers: tuple[int, ...] = option(
        (1, 2, 2), "channels at each level, times `channels`; every level halves the sides"
    )
    blocks: int = option(2, "residual blocks a level, down and up alike")
    attention: tuple[int, ...] | None = option(
        None, "sides (the longer one, pixels) at which tokens attend; null: the smallest; []: none"
    )
    head_width: int = option(32, "numbers per attention head; divides the channels where one is")
    dropout: float = option(0.0, "share of each block's hidden numbers dropped in training")

    def __post_init__(self) -> None:
        if min(self.channels, self.blocks, *self.multipliers, len(self.multipliers)) < 1:
            raise ValueError(
                f"channels {self.channels}, multipliers {list(self.multipliers)} and blocks "
                f"{self.blocks} are given; each must be at least 1, with one multiplier or more"
            )
        if self.head_width < 4 or self.head_width % 2:
            raise ValueError(
                f"head_width is {self.head_width}; two-axis rotary positions allow an even number "
                "of at least 4"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(
        self, item_shape: Sequence[int], num_classes: int, told: int = 0, outputs: int = 1
    ) -> "UNet":
        """The network for images (C, height, width) with labels 0 … num_classes - 1 (0: none).

        `told` as in `LevelAndLabel`, `outputs` as in `noiseloom.networks`. Raises ValueError where
        the sides cannot be halved often enough, and where attention is asked for at a side that no
        level has or in channels that heads do not divide.
        """
        if len(item_shape) != 3:
            raise ValueError(
                f"unet takes images (channels, height, width); the data's items have shape "
                f"{tuple(item_shape)}. Use network mlp for them"
            )
        halvings = len(self.multipliers) - 1
        if item_shape[1] % 2**halvings or item_shape[2] % 2**halvings:
            raise ValueError(
                f"network.multipliers {list(self.multipliers)} halve the sides {halvings} times, "
                f"which needs multiples of {2**halvings}; images of {item_shape[1]}x"
                f"{item_shape[2]} pixels are given. Use fewer multipliers or another data.size"
            )
        self._check_attention(max(item_shape[1:]))
        return UNet(self, item_shape, num_classes, told, outputs)

    def attended(self, side: int) -> tuple[int, ...]:
        """The sides at which tokens attend in images whose longer side is `side`."""
        return (side >> len(self.multipliers) - 1,) if self.attention is None else self.attention

    def _check_attention(self, side: int) -> None:
        sides = [side >> level for level in range(len(self.multipliers))]
        if unknown := sorted(set(self.attended(side)) - set(sides)):
            raise ValueError(
                f"network.attention asks for sides {unknown}; allowed are the longer sides of the "
                f"levels: {sides}"
            )
        for own, multiplier in zip(sides, self.multipliers, strict=True):
            channels = self.channels * multiplier
            if own in self.attended(side) and channels % self.head_width:
                raise ValueError(
                    f"network.head_width {self.head_width} does not divide the {channels} channels "
                    f"at side {own}, where attention is asked for; set it to a divisor"
                )


class UNet(nn.Module):
    """Blocks down, two in the middle, blocks up; starts at output 0.

    In torch's plain memory format. Channels last saves convolutions a fifth of their time on a CPU,
    but its group norms take ten times as long (torch 2.13): a training step took 1.0 (float32) and
    1.4 (bfloat16) times the time, on an H100 0.98 to 1.11 times (torch 2.11). And the fused AdamW
    goes through memory in order, so weights in one format with a state read back in another are
    updated wrongly, without a word.
    """

    def __init__(
        self,
        config: Config,
        item_shape: Sequence[int],
        num_classes: int,
        told: int = 0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        colours, height, width = item_shape
        places = list(_places(config, (height, width)))
        vector = 4 * config.channels
        self.condition = LevelAndLabel(vector, num_classes, told)
        # one map for all blocks, outside `blocks` as in the other networks: it is no hidden matrix
        self.shares = [2 * place.leaves for place in places]
        self.modulation = nn.Linear(vector, sum(self.shares))
        self.enter = nn.Conv2d(colours, config.channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            ResidualBlock(place, head_width=config.head_width, dropout=config.dropout)
            for place in places
        )
        self.norm = group_norm(places[-1].leaves)
        self.leave = nn.Conv2d(places[-1].leaves, outputs * colours, 3, padding=1)
        for parameter in (*self.modulation.parameters(), *self.leave.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        condition: Tensor | Condition | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """`x` (B, C, height, width); `level` (B,): convolutions mix parts of different levels."""
        if level.ndim != 1:
            raise ValueError(
                f"unet was given noise levels of shape {tuple(level.shape)}; it takes one per "
                "item. Network dit takes one per patch"
            )
        vector = F.silu(self.condition(level, condition))
        modulations = self.modulation(vector)[:, :, None, None].split(self.shares, dim=1)
        hidden = self.enter(x)
        left: list[Tensor] = []
        down, up = len(self.blocks) // 2 - 1, len(self.blocks) // 2 + 1
        for index, block in enumerate(self.blocks):
            scope = random and random.under(f"block{index}")
            joined = left.pop() if index >= up else None
            hidden = block(hidden, joined, modulations[index], scope)
            if index < down:
                left.append(hidden)
        return self.leave(F.silu(self.norm(hidden)))


def _places(config: Config, sides: tuple[int, int]) -> Iterator[Place]:
    """The blocks in their order: `blocks` a level down, two in the middle, as many up."""
    widths = [config.channels * multiplier for multiplier in config.multipliers]
    at = [(sides[0] >> level, sides[1] >> level) for level in range(len(widths))]
    attended = [own if max(own) in config.attended(max(sides)) else None for own in at]
    enters, last = config.channels, len(widths) - 1
    for level, leaves in enumerate(widths):
        for number in range(config.blocks):
            resample: Resample = "halve" if level > 0 and number == 0 else "keep"
            yield Place(enters, leaves, resample, 0, attended[level])
            enters = leaves
    yield from [Place(enters, enters, attended=attended[last])] * 2
    for level, leaves in reversed(list(enumerate(widths))):
        for number in range(config.blocks):
            resample = "double" if level < last and number == 0 else "keep"
            yield Place(enters, leaves, resample, leaves, attended[level])
            enters = leaves
