"""Who looks at whom in a clip: all tokens at all, or in turns within a frame and through time.

Taking turns is sequential factorised attention (Arnab et al. 2021, arXiv:2103.15691, section 3.3):
T² S + S² T pairs of tokens instead of (T S)². The layers through time lie between the blocks of an
image network, as in Blattmann et al. 2023 (arXiv:2304.08818, section 3.1), and start at 0: such a
network begins as the image network, applied to each frame by itself.
Shapes: B batch, T frames, S tokens of a frame, L = T·S tokens of an item, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from noiseloom.seeds import Random
from noiseloom.transformer.attention import Attention, Memory, Sight
from noiseloom.transformer.blocks import Parts, drop
from noiseloom.transformer.modulation import (
    Modulation,
    gated_sum,
    modulated_norm,
    modulation_table,
)
from noiseloom.transformer.positions import grid, rotary

Looking = Sequence[tuple[nn.Module, Memory | None]]
"""The transformer blocks of a network, each with what it sees of a caption."""


class Joint(nn.Module):
    """Every token of an item looks at all of them at once.

    `largest` are the lengths of the item's grid of tokens, (I, J) or (T, I, J): of grids of several
    sizes the largest on each axis.
    """

    rotation: Tensor

    def __init__(self, parts: Parts, largest: Sequence[int]) -> None:
        super().__init__()
        rotation = rotary(grid(largest), parts.width // parts.heads).unflatten(1, tuple(largest))
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(
        self,
        x_BLW: Tensor,
        blocks: Looking,
        *,
        cells: tuple[int, int],
        vector: Tensor,
        modulation: Tensor,
        random: Random | None = None,
    ) -> Tensor:
        """The tokens after all blocks, on a grid of `cells` (I, J) in each frame.

        `modulation` is these blocks' own, read off `vector`.
        """
        sight = Sight(part_of(self.rotation, cells))
        for index, (block, memory) in enumerate(blocks):
            scope = random and random.under(f"block{index}")
            x_BLW = block(x_BLW, sight, modulation=modulation, memory=memory, random=scope)
        return x_BLW


class Factorised(nn.Module):
    """The blocks look within a frame; after each, a layer looks at one place through all frames."""

    in_frame: Tensor
    in_time: Tensor

    def __init__(self, parts: Parts, depth: int, frames: int, largest: Sequence[int]) -> None:
        super().__init__()
        self.frames = frames
        self.modulation = Modulation(parts.width, condition_width=parts.width, branches=1)
        self.blocks = nn.ModuleList(ThroughTime(parts, frames) for _ in range(depth))
        size = parts.width // parts.heads
        in_frame = rotary(grid(largest), size).unflatten(1, tuple(largest))
        self.register_buffer("in_frame", in_frame, persistent=False)
        self.register_buffer("in_time", rotary(grid([frames]), size), persistent=False)

    def forward(
        self,
        x_BLW: Tensor,
        blocks: Looking,
        *,
        cells: tuple[int, int],
        vector: Tensor,
        modulation: Tensor,
        random: Random | None = None,
    ) -> Tensor:
        """As `Joint.forward`; `vector` (B, 1 or L, W) is what the layers through time are told."""
        batch = len(x_BLW)
        within, through = Sight(part_of(self.in_frame, cells)), Sight(self.in_time)
        own, modulation = self.modulation(vector), by_frame(modulation, self.frames)
        rows = torch.arange(batch, device=x_BLW.device).repeat_interleave(self.frames)
        for index, ((block, memory), layer) in enumerate(zip(blocks, self.blocks, strict=True)):
            inside = random and random.under(f"block{index}").split(self.frames)
            seen = None if memory is None else memory.select(rows)
            framed = by_frame(x_BLW, self.frames)
            framed = block(framed, within, modulation=modulation, memory=seen, random=inside)
            scope = random and random.under(f"time{index}")
            x_BLW = layer(framed.reshape(x_BLW.shape), through, modulation=own, random=scope)
        return x_BLW


class ThroughTime(nn.Module):
    """Attention of each place of a frame over all frames; added to the tokens, and at first 0."""

    def __init__(self, parts: Parts, frames: int) -> None:
        super().__init__()
        self.frames, self.dropout = frames, parts.dropout
        self.table = modulation_table(parts.width, branches=1)
        self.attention = Attention(parts.width, heads=parts.heads, qk_norm=parts.qk_norm)

    def forward(
        self, x_BLW: Tensor, sight: Sight, *, modulation: Tensor, random: Random | None = None
    ) -> Tensor:
        """`modulation` is (B, 1 or L, 3, W); with `random`, drop-out is on."""
        scale, shift, gate = (modulation + self.table).unbind(dim=-2)
        framed = modulated_norm(x_BLW, scale, shift).unflatten(1, (self.frames, -1))
        mixed = self.attention(framed.transpose(1, 2).flatten(0, 1), sight)  # (B·S, T, W)
        mixed = mixed.unflatten(0, (len(x_BLW), -1)).transpose(1, 2).flatten(1, 2)
        return gated_sum(x_BLW, drop(mixed, self.dropout, random, "attention"), gate)


def part_of(rotation: Tensor, cells: tuple[int, int]) -> Tensor:
    """The rotations (2, L, D) of a grid of so many cells, out of (2, …, I, J, D) of a larger one.

    What a token is turned by depends on its own place alone.
    """
    return rotation[..., : cells[0], : cells[1], :].flatten(1, -2)


def by_frame(x: Tensor, frames: int) -> Tensor:
    """(B, L, …) to (B·T, S, …), the frames of an item one after the other.

    (B, 1, …), the same for all of an item's tokens, becomes (B·T, 1, …).
    """
    if x.shape[1] == 1:
        x = x.expand(-1, frames, *x.shape[2:])
    return x.unflatten(1, (frames, -1)).flatten(0, 1)
