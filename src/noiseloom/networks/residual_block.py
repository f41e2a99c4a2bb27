"""The residual block of images: two convolutions, group norms, attention where it is asked for.

The blocks are those of Ho et al. 2020 (arXiv:2006.11239, appendix B), modulated as by Dhariwal &
Nichol 2021 (arXiv:2105.05233, part 3). `unet` and `autoencoder` are made of them.
Shapes: B batch, C channels, (H, W) the sides of what a block is given, L = H·W tokens.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.seeds import Random
from noiseloom.transformer.attention import Attention, Sight
from noiseloom.transformer.blocks import drop
from noiseloom.transformer.positions import grid, rotary

Resample = Literal["keep", "halve", "double"]

GROUPS, GROUP_CHANNELS = 32, 4  # of a group norm: at most so many groups, of at least so many


@dataclass(frozen=True)
class Place:
    """Where a block stands: its channels, and what reaches it."""

    enters: int
    leaves: int
    resample: Resample = "keep"
    joined: int = 0  # channels of its mirror image's output
    attended: tuple[int, int] | None = None  # the sides, where pixels attend to one another


class ResidualBlock(nn.Module):
    """Resamples, joins its mirror image's output, adds two convolutions, then attention if asked.

    What is added starts at 0.
    """

    def __init__(self, place: Place, *, head_width: int, dropout: float) -> None:
        super().__init__()
        leaves = place.leaves
        enters = (place.enters if place.resample == "keep" else leaves) + place.joined
        self.resample: nn.Module = nn.Identity()
        if place.resample == "halve":
            self.resample = nn.Conv2d(place.enters, leaves, 3, stride=2, padding=1)
        elif place.resample == "double":
            grow = nn.Upsample(scale_factor=2, mode="nearest")
            self.resample = nn.Sequential(grow, nn.Conv2d(place.enters, leaves, 3, padding=1))
        self.first_norm = group_norm(enters)
        self.first = nn.Conv2d(enters, leaves, 3, padding=1, bias=False)  # a shift follows
        self.second_norm = group_norm(leaves, affine=False)
        self.second = nn.Conv2d(leaves, leaves, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)
        self.skip = nn.Identity() if enters == leaves else nn.Conv2d(enters, leaves, 1)
        self.attention: PixelAttention | None = None
        if place.attended is not None:
            self.attention = PixelAttention(leaves, place.attended, head_width)
        self.dropout = dropout

    def forward(
        self, x: Tensor, joined: Tensor | None, modulation: Tensor, random: Random | None
    ) -> Tensor:
        """`x` (B, C, H, W) before resampling, `joined` after it; `modulation` (B, 2 C, 1, 1)."""
        x = self.resample(x)
        if joined is not None:
            x = torch.cat([x, joined], dim=1)
        scale, shift = modulation.chunk(2, dim=1)
        hidden = self.first(F.silu(self.first_norm(x)))
        hidden = F.silu(torch.addcmul(shift, self.second_norm(hidden), 1 + scale))
        hidden = self.second(drop(hidden, self.dropout, random, "convolution"))
        x = self.skip(x) + hidden
        return x if self.attention is None else x + self.attention(x)


class PixelAttention(nn.Module):
    """The transformer's attention with the pixels as tokens; starts at 0."""

    rotation: Tensor

    def __init__(self, channels: int, sides: tuple[int, int], head_width: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.attention = Attention(channels, heads=channels // head_width)
        self.register_buffer("rotation", rotary(grid(sides), head_width), persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        tokens_BLC = self.norm(x_BCHW).flatten(2).transpose(1, 2)
        mixed_BLC = self.attention(tokens_BLC, Sight(self.rotation))
        return mixed_BLC.transpose(1, 2).unflatten(2, x_BCHW.shape[2:])


def group_norm(channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """As many groups as divide the channels, at most GROUPS, of at least GROUP_CHANNELS each."""
    most = max(1, min(GROUPS, channels // GROUP_CHANNELS))
    groups = next(number for number in range(most, 0, -1) if channels % number == 0)
    return nn.GroupNorm(groups, channels, affine=affine)
