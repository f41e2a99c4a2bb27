"""Positions of tokens: rotary over any number of axes; and a number as waves.

Shapes: B batch, L tokens, H heads, D numbers per head, A axes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def frequencies(slowest: float, fastest: float, number: int) -> Tensor:
    """`number` angular frequencies in a geometric row, float32."""
    return torch.logspace(math.log10(slowest), math.log10(fastest), number)


def waves(values: Tensor, frequencies: Tensor) -> Tensor:
    """Cosines and sines of `values` at each frequency (Vaswani et al. 2017, section 3.5).

    Shape (*values, 2 x frequencies).
    """
    angles = values[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def grid(sizes: Sequence[int]) -> Tensor:
    """The coordinates of a grid's cells in row-major order, float32, (L, A)."""
    axes = [torch.arange(size, dtype=torch.float32) for size in sizes]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(sizes))


def rotary(positions_LA: Tensor, head_width: int, *, longest: float = 100.0) -> Tensor:
    """Cosines and signed sines for `rotate`, (2, L, D) (Su et al. 2021, arXiv:2104.09864).

    The head's D/2 pairs of numbers are shared out evenly among the axes; wavelengths on an axis run
    geometrically from 2 pi to 2 pi `longest` positions. Raises ValueError where D/2 < axes.
    """
    axes = positions_LA.shape[1]
    pairs = head_width // 2
    if head_width % 2 or pairs < axes:
        raise ValueError(
            f"a head of width {head_width} cannot hold rotary positions on {axes} axes; allowed is "
            f"an even width of at least {2 * axes}"
        )
    angles = []
    for axis, part in enumerate(_shares(pairs, axes)):
        exponents = torch.arange(part, dtype=torch.float32) / max(part - 1, 1)
        angles.append(positions_LA[:, axis : axis + 1] * longest**-exponents)
    angles_LP = torch.cat(angles, dim=1)
    cos, sin = angles_LP.cos(), angles_LP.sin()
    return torch.stack([torch.cat([cos, cos], dim=1), torch.cat([-sin, sin], dim=1)])


def rotate(x_BLxxD: Tensor, rotation: Tensor) -> Tensor:
    """Turn the pairs (first half, second half) of every head by their token's angles.

    Tokens are the second axis; between them and the head's numbers there may be any axes.
    `rotation` is (2, L, D), or (2, B, L, D) where items stand at places of their own. Written
    without joining halves, so that a compiler can fuse it with what comes before and after.
    """
    *places, size = rotation.shape
    between = [1] * (x_BLxxD.ndim - 3)
    cos, sin = rotation.to(x_BLxxD.dtype).view(*places, *between, size)
    return torch.addcmul(x_BLxxD * cos, x_BLxxD.roll(x_BLxxD.shape[-1] // 2, -1), sin)


def _shares(whole: int, parts: int) -> list[int]:
    return [whole // parts + (part < whole % parts) for part in range(parts)]
