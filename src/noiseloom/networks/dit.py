"""The diffusion transformer on image patches (Peebles & Xie 2022, arXiv:2212.09748).

In pixels, with large patches and x0 as the target, after Li & He 2025 (arXiv:2511.13720). An image
is one frame.
Shapes: B batch, C channels, (I, J) the grid of patches, P patch side, L = I·J tokens, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks.embeddings import TimeAndLabel
from noiseloom.seeds import Random
from noiseloom.transformer.blocks import Activation, Block, modulated_norm
from noiseloom.transformer.positions import grid, rotary


@dataclass(frozen=True, kw_only=True)
class Config:
    """A diffusion transformer on image patches."""

    patch: int = option(4, "side of a patch, pixels")
    width: int = option(128, "numbers per token")
    depth: int = option(4, "transformer blocks")
    heads: int = option(4, "attention heads; width / heads must be even")
    feed_forward: float = option(4.0, "hidden width of the feed-forward, times width")
    activation: Activation = option("gelu", "between the two maps of the feed-forward")
    dropout: float = option(0.0, "share of each branch's output dropped in training")

    def __post_init__(self) -> None:
        if min(self.patch, self.width, self.depth, self.heads) < 1 or self.width % self.heads:
            raise ValueError(
                f"patch {self.patch}, width {self.width}, depth {self.depth} and heads "
                f"{self.heads} are given; each must be at least 1 and heads must divide width"
            )
        if (self.width // self.heads) % 2 or self.width // self.heads < 4:
            raise ValueError(
                f"a head of width {self.width // self.heads} (width / heads) is given; two-axis "
                "rotary positions allow an even number of at least 4"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(self, item_shape: Sequence[int], num_classes: int) -> "DiT":
        """The network for images (C, height, width) with labels 0 … num_classes - 1 (0: none).

        Raises ValueError where the patch does not divide the image.
        """
        if len(item_shape) != 3:
            raise ValueError(
                f"dit takes images (channels, height, width); the data's items have shape "
                f"{tuple(item_shape)}. Use network mlp for them"
            )
        if item_shape[1] % self.patch or item_shape[2] % self.patch:
            raise ValueError(
                f"network.patch {self.patch} does not divide images of {item_shape[1]}x"
                f"{item_shape[2]} pixels; set network.patch to a divisor of both sides"
            )
        return DiT(self, item_shape, num_classes)


class DiT(nn.Module):
    """Patches to tokens, `depth` modulated blocks, tokens to patches; starts at output 0."""

    rotation: Tensor

    def __init__(self, config: Config, item_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        channels, height, width = item_shape
        self.patch = config.patch
        size = channels * config.patch**2
        self.condition = TimeAndLabel(config.width, num_classes)
        self.enter = nn.Linear(size, config.width)
        self.blocks = nn.ModuleList(
            Block(
                config.width,
                heads=config.heads,
                hidden=round(config.feed_forward * config.width),
                activation=config.activation,
                condition_width=config.width,
                dropout=config.dropout,
            )
            for _ in range(config.depth)
        )
        self.final = nn.Linear(config.width, 2 * config.width)
        self.leave = nn.Linear(config.width, size)
        for layer in (self.final, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        cells = grid((height // config.patch, width // config.patch))
        rotation = rotary(cells, config.width // config.heads)
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(
        self, x: Tensor, t: Tensor, condition: Tensor | None = None, random: Random | None = None
    ) -> Tensor:
        """`x` (B, C, height, width); `t` (B,), or (B, 1, height, width) constant in each patch."""
        times = t if t.ndim == 1 else self.to_patches(t.expand(-1, 1, *x.shape[2:])).mean(-1)
        vector = self.condition(times, condition)
        vector = vector[:, None] if t.ndim == 1 else vector
        tokens = self.enter(self.to_patches(x))
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, vector, self.rotation, random and random.under(f"block{index}"))
        shift, scale = self.final(nn.functional.silu(vector)).chunk(2, dim=-1)
        return self.to_image(self.leave(modulated_norm(tokens, shift, scale)), x.shape)

    def to_patches(self, x_BCHW: Tensor) -> Tensor:
        """(B, L, C·P·P), patches in row-major order."""
        batch, channels, height, width = x_BCHW.shape
        p = self.patch
        cells = x_BCHW.reshape(batch, channels, height // p, p, width // p, p)
        return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * p * p)

    def to_image(self, patches: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `to_patches`, for images of `shape`."""
        batch, channels, height, width = shape
        p = self.patch
        cells = patches.view(batch, height // p, width // p, channels, p, p)
        return cells.permute(0, 3, 1, 4, 2, 5).reshape(shape)
