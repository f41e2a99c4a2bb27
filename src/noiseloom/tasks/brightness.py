"""Pixels as tokens: so many levels of brightness, evenly from -1, black, to 1, white."""

from torch import Tensor


def nearest_level(x: Tensor, levels: int) -> Tensor:
    """The number of the level that is closest to each pixel, int64; what is beyond is held."""
    return ((x.clamp(-1, 1) + 1) / 2 * (levels - 1)).round().long()


def of_level(tokens: Tensor, levels: int) -> Tensor:
    """The brightness of levels, -1 to 1, float32."""
    return 2 * tokens.float() / (levels - 1) - 1
