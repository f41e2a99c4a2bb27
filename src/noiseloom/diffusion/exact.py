"""Data whose denoiser, score and density are known in closed form at every t.

What a network approximates is here exact, so samplers, likelihoods and losses can be measured
against the truth. With xt = alpha x0 + sigma noise, a component N(m, s²) of the data becomes
N(alpha m, v) with v = alpha² s² + sigma², and within it
    E[x0 | xt] = m + (alpha s² / v) (xt - alpha m).
A mixture weighs these by how likely each component is to have given xt; finite data is a mixture
of components without spread, whose denoiser is the best that any network can be on it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.schedules import Schedule

LEAST_VARIANCE = 1e-30  # where finite data carries no noise, the nearest item stands alone


@dataclass(frozen=True)
class Gaussian:
    """Data ~ N(mean, std²), each coordinate alone; items of any shape."""

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

    def log_density(self, xt: Tensor, t: Tensor) -> Tensor:
        """log p_t(xt) in nats, (B,)."""
        at = self.schedule.at(t, like=xt)
        variance = at.alpha**2 * self.std**2 + at.sigma**2
        each = (xt - at.alpha * self.mean) ** 2 / variance + (2 * math.pi * variance).log()
        return -0.5 * each.flatten(1).sum(dim=1)

    def path(self, x_start: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Where the probability-flow ODE takes `x_start` from time `start` to time `end`."""
        first, last = self.schedule.alpha(start), self.schedule.alpha(end)
        scaled = (x_start - first * self.mean) / self.spread(start)
        return last * self.mean + self.spread(end) * scaled

    def sample(self, num: int, dims: int, generator: torch.Generator) -> Tensor:
        """Clean data, (num, dims), float64."""
        z = torch.randn(num, dims, generator=generator, dtype=torch.float64)
        return self.mean + self.std * z


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of round Gaussians: `means` (K, D), `stds` (K,), `weights` (K,) with sum 1.

    Items may have any shape of D numbers; the sums over components are taken in float64. Raises
    ValueError where the parts do not fit.
    """

    means: Tensor
    stds: Tensor
    weights: Tensor
    schedule: Schedule

    def __post_init__(self) -> None:
        num = len(self.means)
        if self.means.ndim != 2 or self.stds.shape != (num,) or self.weights.shape != (num,):
            raise ValueError(
                f"means {tuple(self.means.shape)}, stds {tuple(self.stds.shape)} and weights "
                f"{tuple(self.weights.shape)} are given; allowed is (K, D), (K,) and (K,)"
            )
        if bool((self.stds < 0).any()) or bool((self.weights < 0).any()):
            raise ValueError("a standard deviation or a weight is negative; allowed is 0 or more")
        if abs(float(self.weights.double().sum()) - 1) > 1e-5:
            raise ValueError(
                f"the weights add up to {float(self.weights.sum()):g}; allowed is 1. Divide them "
                "by their sum"
            )

    def denoise(self, xt: Tensor, t: Tensor) -> Prediction:
        """The exact E[x0 | xt]."""
        x, alpha, sigma = self._flat(xt, t)
        log_joint, variance = self._log_joint(x, alpha, sigma)
        share = log_joint.softmax(dim=1)  # (B, K): which component xt came from
        gain = share * alpha * self.stds.double() ** 2 / variance
        means = self.means.double()
        x0 = gain.sum(dim=1, keepdim=True) * x + (share - alpha * gain) @ means
        x0 = x0.to(xt.dtype).reshape(xt.shape)
        return Prediction(x0, "x0", xt, self.schedule.at(t, like=xt))

    def log_density(self, xt: Tensor, t: Tensor) -> Tensor:
        """log p_t(xt) in nats, (B,), in `xt`'s dtype."""
        log_joint, _ = self._log_joint(*self._flat(xt, t))
        return log_joint.logsumexp(dim=1).to(xt.dtype)

    def sample(self, num: int, generator: torch.Generator) -> Tensor:
        """Clean data, (num, D), float64."""
        chosen = torch.multinomial(self.weights.double(), num, True, generator=generator)
        z = torch.randn(num, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means.double()[chosen] + self.stds.double()[chosen, None] * z

    def _flat(self, xt: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """xt as (B, D), and alpha and sigma as () or (B, 1), in float64."""
        x = xt.double().flatten(1)
        at = self.schedule.at(t.double(), like=x)
        return x, at.alpha, at.sigma

    def _log_joint(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """log of weight times density of x under each component, and its variance; (B, K)."""
        means = self.means.double()
        square = (x**2).sum(dim=1, keepdim=True) - 2 * alpha * (x @ means.mT)
        square = square + alpha**2 * (means**2).sum(dim=1)
        variance = (alpha**2 * self.stds.double() ** 2 + sigma**2).clamp(min=LEAST_VARIANCE)
        each = square.clamp(min=0) / variance + x.shape[1] * (2 * math.pi * variance).log()
        return self.weights.double().log() - 0.5 * each, variance.expand(len(x), -1)


def finite(items: Tensor, schedule: Schedule) -> Mixture:
    """Data that is one of `items` (N, …), each as likely as the other."""
    num = len(items)
    ones = torch.ones(num, dtype=torch.float64, device=items.device)
    return Mixture(items.flatten(1), 0 * ones, ones / num, schedule)
