"""Blocks one after the other, as a network that reads or writes text has them.

Shapes: B batch, L tokens, M tokens that are looked at, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from noiseloom.seeds import Random
from noiseloom.transformer.attention import Memory, Sight
from noiseloom.transformer.blocks import Block, Parts, norm_of
from noiseloom.transformer.cache import Cache
from noiseloom.transformer.positions import grid, rotary


class Stack(nn.Module):
    """Blocks one after the other and a norm at the end, with rotary positions."""

    rotation: Tensor

    def __init__(self, parts: Parts, depth: int, context: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(parts) for _ in range(depth))
        self.norm = norm_of(parts)
        turned = rotary(
            grid([context]), parts.width // parts.heads, longest=max(100.0, 2.0 * context)
        )
        self.register_buffer("rotation", turned, persistent=False)

    def forward(
        self,
        x_BLW: Tensor,
        sight: Sight,
        *,
        memories: Sequence[Memory] | None = None,
        cache: Cache | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """Hidden numbers after all blocks, each looking at its own of the `memories`."""
        for index, block in enumerate(self.blocks):
            x_BLW = block(
                x_BLW,
                sight,
                memory=None if memories is None else memories[index],
                cache=None if cache is None else cache.layers[index],
                random=random and random.under(f"block{index}"),
            )
        return self.norm(x_BLW)

    def remember(self, memory_BMW: Tensor, is_real_BM: Tensor | None) -> list[Memory]:
        """What each block keeps of the tokens that it looks at."""
        remembered = []
        for block in self.blocks:
            assert isinstance(block, Block)
            remembered.append(block.remember(memory_BMW, is_real_BM))
        return remembered
