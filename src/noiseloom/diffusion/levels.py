"""Data that takes evenly spaced values, such as 8-bit images, and what probability they have.

A model of numbers gives a level the mass it puts on the cell round it. `Levels` are in the model's
units: images of 256 levels, seen as x / 127.5 - 1, are spaced 1 / 127.5 apart.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FAR = 1e4  # standard deviations: the outermost cells reach out to infinity
MOST_PAIRS = 20_000_000  # of a number and a level that are looked at together


@dataclass(frozen=True)
class Levels:
    """`num` values from `low` on, `step` apart."""

    low: float
    step: float
    num: int

    @property
    def high(self) -> float:
        """The last of the values."""
        return self.low + (self.num - 1) * self.step

    def log_probability(self, x0: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """log P of each number of `x0` under a Gaussian cut into cells, in nats, of `x0`'s shape.

        (Ho et al. 2020, arXiv:2006.11239, eq. 13.) The outermost cells have no outer edge.
        """
        std = variance.double().sqrt()
        centre = (x0.double() - mean.double()) / std
        half = 0.5 * self.step / std
        below = torch.where(x0 < self.low + 0.5 * self.step, -FAR, centre - half)
        above = torch.where(x0 > self.high - 0.5 * self.step, FAR, centre + half)
        flipped = below + above > 0  # by symmetry, where the upper tail would lose its digits
        lower = torch.where(flipped, -above, below)
        upper = torch.where(flipped, -below, above)
        log_upper = torch.special.log_ndtr(upper)
        ratio = (torch.special.log_ndtr(lower) - log_upper).clamp(max=-1e-12)
        return (log_upper + torch.log(-torch.expm1(ratio))).to(x0.dtype)

    def log_read(self, x0: Tensor, read: Tensor, std: Tensor) -> Tensor:
        """log P of each number of `x0` where `read` = x0 + std · noise is all that is known of it.

        Every level is as likely as the other beforehand (Kingma et al. 2021, arXiv:2107.00630,
        appendix E: p(x | z_0) in proportion to q(z_0 | x)). Shapes as `x0`'s; `std` broadcasts.
        """
        parts = max(1, math.ceil(x0.numel() * self.num / MOST_PAIRS))
        spread = std.expand_as(x0)
        together = zip(x0.chunk(parts), read.chunk(parts), spread.chunk(parts), strict=True)
        return torch.cat([self._log_read(*part) for part in together])

    def _log_read(self, x0: Tensor, read: Tensor, std: Tensor) -> Tensor:
        values = self.low + self.step * torch.arange(self.num, device=x0.device, dtype=x0.dtype)
        each = -0.5 * ((read[..., None] - values) / std[..., None]) ** 2
        own = -0.5 * ((read - x0) / std) ** 2
        return own - each.logsumexp(dim=-1)

    def dequantised(self, x0: Tensor, uniform: Tensor) -> Tensor:
        """Each number anywhere in its cell; `uniform` in [0, 1), of `x0`'s shape.

        -log P(x0) is then at most the mean of -log p(what this answers) - log(step) a number
        (Theis et al. 2016, arXiv:1511.01844, section 3.1).
        """
        return x0 + self.step * (uniform - 0.5)
