"""The convolutional autoencoder: images to smaller latents and back (arXiv:2112.10752, appendix E).

Its residual blocks are the U-Net's; what modulates them there is here learned once.
Shapes: B batch, C channels of an image, (H, W) its sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.bottlenecks import BOTTLENECKS, Bottleneck, Code, Codebook, Gaussian, Kl
from noiseloom.networks.residual_block import Place, ResidualBlock, group_norm
from noiseloom.seeds import Random

WIDEST = 4  # channels at the smallest sides, times `channels`, at most


@dataclass(frozen=True, kw_only=True)
class Config:
    """A convolutional encoder, a bottleneck and a decoder that mirrors the encoder."""

    answers: ClassVar[Answer] = "reconstructions"

    downsample: Literal[2, 4, 8] = option(4, "how many times smaller the sides of latents are")
    latent_channels: int = option(4, "numbers at each place of the latents")
    channels: int = option(32, "channels at the full size; every halving doubles them, up to 4 x")
    blocks: int = option(1, "residual blocks at each size, in the encoder and in the decoder")
    bottleneck: Bottleneck = option(
        help="what keeps latents orderly", choices=BOTTLENECKS, default_factory=Kl
    )

    def __post_init__(self) -> None:
        if min(self.latent_channels, self.channels, self.blocks) < 1:
            raise ValueError(
                f"latent_channels {self.latent_channels}, channels {self.channels} and blocks "
                f"{self.blocks} are given; each must be at least 1"
            )

    def build(self, item_shape: Sequence[int], num_classes: int) -> "Autoencoder":
        """The network for images (C, H, W); it asks nothing of their classes.

        Raises ValueError for items that are no images, and where `downsample` does not divide the
        sides.
        """
        if len(item_shape) != 3:
            raise ValueError(
                f"autoencoder takes images (channels, height, width); the data's items have shape "
                f"{tuple(item_shape)}. Use data of images with it"
            )
        channels, height, width = item_shape
        if height % self.downsample or width % self.downsample:
            fitting = [n for n in (2, 4, 8) if not height % n and not width % n]
            instead = " or ".join(map(str, fitting))
            raise ValueError(
                f"network.downsample {self.downsample} does not divide images of {height}x{width} "
                f"pixels; set {f'network.downsample to {instead}, or ' if fitting else ''}"
                "data.size to a multiple of it"
            )
        return Autoencoder(self, (channels, height, width))


class Reconstruction(NamedTuple):
    """What came back (B, C, H, W), and the code it came through."""

    x: Tensor
    code: Code


class Autoencoder(nn.Module):
    """Images to latents and back; `latent_shape` is theirs."""

    def __init__(self, config: Config, item_shape: tuple[int, int, int]) -> None:
        super().__init__()
        colours, height, width = item_shape
        halvings = config.downsample.bit_length() - 1
        widths = [config.channels * min(2**level, WIDEST) for level in range(halvings + 1)]
        side = (height // config.downsample, width // config.downsample)
        self.latent_shape = (config.latent_channels, *side)
        self.bottleneck: Gaussian | Codebook = config.bottleneck.build(config.latent_channels)
        self.encoder = Path(
            colours, widths, self.bottleneck.encoded, blocks=config.blocks, resample="halve"
        )
        self.decoder = Path(
            config.latent_channels, widths[::-1], colours, blocks=config.blocks, resample="double"
        )

    def forward(self, x: Tensor, random: Random | None = None) -> Reconstruction:
        """There and back; with `random` as in training, drawn from the Gaussian of `kl`."""
        code = self.bottleneck(self.encoder(x), random)
        return Reconstruction(self.decoder(code.passed), code)

    def encode(self, x: Tensor) -> Tensor:
        """The latents (B, *latent_shape) of images."""
        latents: Tensor = self.bottleneck(self.encoder(x), None).latents
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """The images that latents, learned or made up, stand for."""
        pixels: Tensor = self.decoder(self.bottleneck.settle(latents))
        return pixels


class Path(nn.Module):
    """Residual blocks over `widths`, one after the other, resampled from each to the next."""

    def __init__(
        self,
        enters: int,
        widths: Sequence[int],
        leaves: int,
        *,
        blocks: int,
        resample: Literal["halve", "double"],
    ) -> None:
        super().__init__()
        places = []
        inside = widths[0]
        for level, width in enumerate(widths):
            for number in range(blocks):
                turns = level > 0 and number == 0
                places.append(Place(inside, width, resample if turns else "keep"))
                inside = width
        self.enter = nn.Conv2d(enters, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(p, head_width=4, dropout=0.0) for p in places)
        self.modulations = nn.ParameterList(torch.zeros(1, 2 * p.leaves, 1, 1) for p in places)
        self.norm = group_norm(inside)
        self.leave = nn.Conv2d(inside, leaves, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.enter(x)
        for block, modulation in zip(self.blocks, self.modulations, strict=True):
            hidden = block(hidden, None, modulation, None)
        leaving: Tensor = self.leave(F.silu(self.norm(hidden)))
        return leaving
