"""The terms of the variational bound on -log p(x0), in nats, for each number of an item.

Of a chain of T steps (Ho et al. 2020, arXiv:2006.11239, eq. 5), whose times t_1 … t_T are evenly
spaced and whose time 0 is the data itself:
    L_T      KL(q(x_T | x0) || prior)                 the prior has the data's mean and variance
    L_{i-1}  KL(q(x_{i-1} | x_i, x0) || p(x_{i-1} | x_i))                    i = 2 … T
    L_0      -log p(x0 | x_1)                         a Gaussian, cut into levels if data has any
Both Gaussians of a step have means that differ by alpha_s (1 - r) of x0's error (`posterior`), so
that with the least variance L_{i-1} = (SNR(s) - SNR(t)) / 2 · error². With ever more steps it
becomes -dSNR/dt / 2 · error² dt (Kingma et al. 2021, arXiv:2107.00630, eq. 14 and 17).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Prediction, Statistics
from noiseloom.diffusion.posterior import Variances, between, snr_ratio, variances
from noiseloom.diffusion.schedules import Coefficients, Schedule, expand


@dataclass(frozen=True)
class Chain:
    """`steps` steps between the data and noise at t_max, evenly spaced in t."""

    schedule: Schedule
    steps: int

    def time(self, index: Tensor) -> Tensor:
        """The time of place `index` of the chain, 1 to `steps`, in float64."""
        low, high = self.schedule.t_min, self.schedule.t_max
        return low + index.double() / self.steps * (high - low)

    def index(self, t: Tensor) -> Tensor:
        """The place whose time is nearest to `t`."""
        share = (t.double() - self.schedule.t_min) / (self.schedule.t_max - self.schedule.t_min)
        return (share * self.steps).round().long().clamp(1, self.steps)

    def visited(self, t: Tensor) -> Tensor:
        """The time at the noisy end of the step that `t` lies in, in `t`'s dtype."""
        share = (t.double() - self.schedule.t_min) / (self.schedule.t_max - self.schedule.t_min)
        index = (share * self.steps).ceil().clamp(1, self.steps)
        return self.time(index).to(t.dtype)

    def variances(self, index: Tensor, std: Tensor | float) -> Variances:
        """Both variances of the step from each place to the one before it, in float64.

        A step to the data has none at the least, of which no density could be taken: there it is
        that of the step before (Nichol & Dhariwal 2021, arXiv:2102.09672), or the most there is.
        """
        spread = float(std)
        both = variances(self._at(index), self._at(index - 1), spread)
        first = both.high
        if self.steps > 1:
            one = torch.ones_like(index)
            first = variances(self._at(2 * one), self._at(one), spread).low
        return Variances(torch.where(index == 1, first, both.low), both.high)

    def terms(self, prediction: Prediction, x0: Tensor, index: Tensor) -> Tensor:
        """L_{index - 1} of each item, at the xt of place `index` (items,); of `x0`'s shape."""
        std = 1.0 if prediction.data_std is None else prediction.data_std
        both = self.variances(index, std)
        at, to = self._at(index), self._at(index - 1)
        error = prediction.x0 - x0
        # the least variance times exp(d) is the step's
        log_range = expand((both.high / both.low).log().to(x0), x0)
        v = prediction.interpolation
        d = torch.zeros_like(log_range) if v is None else v * log_range
        weight = (to.alpha * (1 - snr_ratio(at, to))) ** 2 / both.low
        weight = expand(weight.to(x0), x0)
        terms = 0.5 * (torch.expm1(-d) + d + weight * error**2 * torch.exp(-d))
        last = index == 1
        if not bool(last.any()):
            return terms
        chosen = None if v is None else v[last].double()
        own = Variances(*(expand(one[last], x0[last]) for one in both))
        read = decoder(prediction, x0, last, between(own, chosen))
        return terms.expand_as(x0).index_put((last.nonzero()[:, 0],), read)

    def _at(self, index: Tensor) -> Coefficients:
        """The coefficients of places; those of place 0 are the data's, which carries no noise."""
        at = self.schedule.at(self.time(index))
        clean = index == 0
        alpha = torch.where(clean, 1.0, at.alpha)
        return at._replace(alpha=alpha, sigma=torch.where(clean, 0.0, at.sigma))


def decoder(prediction: Prediction, x0: Tensor, chosen: Tensor, variance: Tensor) -> Tensor:
    """-log p(x0 | xt) of the `chosen` items: N(the x0 predicted, variance), or its cells."""
    mean, truth = prediction.x0[chosen], x0[chosen]
    variance = variance.to(truth)
    if prediction.levels is not None:
        return -prediction.levels.log_probability(truth, mean, variance)
    return 0.5 * ((truth - mean) ** 2 / variance + torch.log(2 * torch.pi * variance))


def prior(schedule: Schedule, x0: Tensor, t: Tensor, statistics: Statistics) -> Tensor:
    """KL(q(xt | x0) || N(alpha mean, alpha² std² + sigma²)) at `t`, of `x0`'s shape."""
    at = schedule.at(t.double(), like=x0)
    share = (at.alpha / at.sigma) ** 2 * statistics.std**2  # of the prior's variance is the data's
    off = (x0.double() - statistics.mean.double()) / statistics.std
    return (0.5 * (torch.log1p(share) + (off**2 - 1) * share / (1 + share))).to(x0)


def continuous_weight(schedule: Schedule, t: Tensor) -> Tensor:
    """-dSNR/dt / 2, the bound's weight of the squared error of x0 per unit of t, in float64."""
    at = schedule.at(t.double())
    return at.alpha * (at.alpha * at.d_sigma - at.d_alpha * at.sigma) / at.sigma**3
