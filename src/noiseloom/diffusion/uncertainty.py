"""Learned uncertainty: every noise level's loss divided by what is to be expected there.

u(level) is trained along with the denoiser by
    loss / exp(u) + u
(Karras et al. 2023, arXiv:2312.02696, eq. 21, after Kendall et al. 2017, arXiv:1705.07115). Its
optimum is u = log E[loss], at which every level weighs alike in the gradient whatever the
objective's own weight and however hard the level is. It is a linear map of a fixed sine and cosine
expansion of the noise level (appendix B.1: there the waves are random), and starts at 0.
"""

import math

import torch
from torch import Tensor, nn

NUM_WAVES = 32
SLOWEST, FASTEST = 0.5, 16.0  # radians per unit of noise level: a loss changes smoothly over it


class Uncertainty(nn.Module):
    """u(level), the logarithm of the loss to be expected at a noise level."""

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        exponent = torch.linspace(math.log(SLOWEST), math.log(FASTEST), NUM_WAVES)
        self.register_buffer("frequencies", exponent.exp(), persistent=False)
        self.weight = nn.Parameter(torch.zeros(2 * NUM_WAVES + 1))

    def forward(self, level: Tensor) -> Tensor:
        """(B,) for `level` (B,), or with more axes: at the noisiest of an item's levels.

        Where parts of items are given, that is the level of what is to be made.
        """
        level = level if level.ndim < 2 else level.flatten(1).amax(dim=1)
        angle = level.float()[..., None] * self.frequencies
        ones = torch.ones_like(angle[..., :1])
        waves = torch.cat([angle.cos(), angle.sin(), ones], dim=-1)
        return (waves * self.weight).sum(dim=-1)


def weigh(losses: Tensor, uncertainty: Tensor | None) -> Tensor:
    """`losses` (B,) as eq. 21 trains on them; as they are where nothing is learned of them."""
    return losses if uncertainty is None else losses / uncertainty.exp() + uncertainty
