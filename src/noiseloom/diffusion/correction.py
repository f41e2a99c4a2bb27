"""A denoiser corrected by how much likelier xt is among real items than among its own samples.

A score is the gradient of log p_t(xt), so that of the data is the model's own plus the gradient of
log p_data / p_model at xt, which a discriminator D of the two, at its best, says: it is that of log
D / (1 - D) (Kim et al. 2022, arXiv:2211.17091). In terms of x0, with score = (alpha x0 - xt) /
sigma²,
    x0 = x0_plain + scale sigma² / alpha grad log D / (1 - D).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.guidance.guidance import ascend, gradient_of
from noiseloom.diffusion.schedules import Schedule, expand

LogRatio = Callable[[Tensor, Tensor], Tensor]
"""(xt, t) -> log of how much likelier each is real than drawn, (B,); differentiable in xt."""


@dataclass(frozen=True)
class Corrected:
    """`base` corrected by `log_ratio` where t lies in `interval`, its ends among it."""

    base: Denoise
    log_ratio: LogRatio
    schedule: Schedule
    scale: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)

    def __call__(self, xt: Tensor, t: Tensor) -> Prediction:
        """What the base says, corrected."""
        plain = self.base(xt, t)
        low, high = self.interval
        inside = (low <= t) & (t <= high)
        if self.scale == 0 or not bool(inside.any()):
            return plain
        gradient = gradient_of(lambda x: self.log_ratio(x, t), xt)
        corrected = ascend(plain.x0, gradient, self.schedule.at(t, like=xt), self.scale)
        x0 = torch.where(expand(inside, xt), corrected, plain.x0)
        return replace(plain, output=x0, target="x0")
