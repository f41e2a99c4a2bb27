"""Gaussian data, for which the denoiser and the probability-flow path are known in closed form."""

from dataclasses import dataclass

from torch import Tensor

from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.schedules import Schedule


@dataclass(frozen=True)
class Gaussian:
    """Data ~ N(mean, std²), each coordinate alone."""

    mean: float
    std: float
    schedule: Schedule

    def denoise(self, xt: Tensor, t: Tensor) -> Prediction:
        """The exact E[x0 | xt]."""
        at = self.schedule.at(t, like=xt)
        gain = at.alpha * self.std**2 / (at.alpha**2 * self.std**2 + at.sigma**2)
        return Prediction(self.mean + gain * (xt - at.alpha * self.mean), "x0", xt, at)

    def spread(self, t: Tensor) -> Tensor:
        """The standard deviation of xt."""
        at = self.schedule.at(t)
        return (at.alpha**2 * self.std**2 + at.sigma**2).sqrt()

    def path(self, x_start: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Where the probability-flow ODE takes `x_start` from time `start` to time `end`."""
        first, last = self.schedule.alpha(start), self.schedule.alpha(end)
        scaled = (x_start - first * self.mean) / self.spread(start)
        return last * self.mean + self.spread(end) * scaled
