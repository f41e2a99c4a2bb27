"""Sliced Wasserstein distance of points in the plane (Bonneel et al. 2015), order 1.

Points are projected on directions spread evenly over a half-circle; on a line the distance is the
mean gap between the two sets' quantiles. In the data's own unit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

DIRECTIONS = 32
LEVELS = 500  # quantiles compared on each direction


def sliced_wasserstein(x: Tensor, y: Tensor) -> float:
    """Between points (N, 2) and (M, 2)."""
    angle = torch.arange(DIRECTIONS, dtype=torch.float64) * (math.pi / DIRECTIONS)
    directions = torch.stack([angle.cos(), angle.sin()])
    levels = (torch.arange(LEVELS, dtype=torch.float64) + 0.5) / LEVELS
    quantiles = [torch.quantile(points.double() @ directions, levels, dim=0) for points in (x, y)]
    return float((quantiles[0] - quantiles[1]).abs().mean())
