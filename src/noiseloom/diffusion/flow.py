"""The density of data under the probability-flow ODE of a denoiser.

(Song et al. 2021, arXiv:2011.13456, section 4.3; Chen et al. 2018, arXiv:1806.07366.) Over data of
mean m and spread std it is solved in the coordinate of unit variance, with half the log-SNR for
time: r = alpha / sigma = exp(s), q² = 1 + r² std², x = alpha m + sqrt(alpha² std² + sigma²) w and
    dw/ds        = (r / q) (x0_hat - m - (r std² / q) w)
    d log p / ds = - tr(∂(dw/ds) / ∂w)
which is bounded whatever the schedule and vanishes at both ends; for Gaussian data of that mean and
spread it is 0 throughout. At the noisy end w is N(0, 1): the prior has the data's variance.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Statistics
from noiseloom.diffusion.schedules import Schedule

MOST_EXACT = 8  # numbers of an item up to which the divergence is summed over all of them
CALLS_PER_STEP = 4


@dataclass(frozen=True)
class Flow:
    """The probability-flow ODE of `denoise` between data and noise, solved in `steps` even steps.

    The method is the classical Runge-Kutta one of fourth order: four calls and as many backward
    passes a step, and for each probe. Steps are even in log-SNR over the range `log_snr`, lowest
    and highest; data stands for xt at its upper end, whose noise is neglected.
    """

    denoise: Denoise
    schedule: Schedule
    statistics: Statistics
    steps: int
    log_snr: tuple[float, float]

    def log_density(self, x0: Tensor, probes: Tensor | None) -> Tensor:
        """log p(x0) in nats, (items,), in the units of `x0`; with `probes`, (probes, items).

        `probes` (probes, *x0.shape) of mean 0 and covariance 1 estimate the divergence (Hutchinson;
        Grathwohl et al. 2019, arXiv:1810.01367). They are the same at every step of the solve: one
        that changed would be noise that the solver follows. Without, the divergence is exact, at
        one backward pass for each of the item's numbers.
        """
        low, high = self.log_snr
        span = 0.5 * (low - high)
        std, mean = self.statistics.std, self.statistics.mean.to(x0)
        q_over_r = math.sqrt(std**2 + math.exp(-high))
        w = (x0 - mean) / q_over_r
        shape = (len(x0),) if probes is None else probes.shape[:2]
        change = torch.zeros(shape, dtype=torch.float64, device=x0.device)
        h = span / self.steps
        for index in range(self.steps):
            s = 0.5 * high + index * h
            slope_1, fall_1 = self.slope(w, s, probes)
            slope_2, fall_2 = self.slope(w + 0.5 * h * slope_1, s + 0.5 * h, probes)
            slope_3, fall_3 = self.slope(w + 0.5 * h * slope_2, s + 0.5 * h, probes)
            slope_4, fall_4 = self.slope(w + h * slope_3, s + h, probes)
            w = w + h / 6 * (slope_1 + 2 * slope_2 + 2 * slope_3 + slope_4)
            change = change + h / 6 * (fall_1 + 2 * fall_2 + 2 * fall_3 + fall_4)
        size = x0[0].numel()
        square = w.double().square().flatten(1).sum(dim=1)
        at_noise = -0.5 * (square + size * math.log(2 * math.pi))
        return at_noise + change - size * math.log(q_over_r)

    def slope(self, w: Tensor, s: float, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        """dw/ds at `w`, and its divergence (float64), exact or as each probe sees it."""
        with torch.enable_grad():
            w = w.detach().requires_grad_()
            slope = self._slope(w, s)
            if probes is None:
                divergence = _exact_divergence(slope, w)
            else:
                divergence = torch.stack([_along(slope, w, probe) for probe in probes])
        return slope.detach(), divergence

    def _slope(self, w: Tensor, s: float) -> Tensor:
        std, mean = self.statistics.std, self.statistics.mean.to(w)
        r = math.exp(s)
        q = math.sqrt(1 + (r * std) ** 2)
        t = self.schedule.t_of_log_snr(torch.tensor(2 * s, dtype=torch.float64))
        at = self.schedule.at(t)
        x = float(at.alpha) * mean + float(at.sigma) * q * w
        said = self.denoise(x, t.to(w).expand(len(w)))
        return (r / q) * (said.x0 - mean - (r * std**2 / q) * w)


def _along(slope: Tensor, w: Tensor, probe: Tensor) -> Tensor:
    """probe · (∂slope/∂w) probe of each item, (items,): the divergence in expectation."""
    (pulled,) = torch.autograd.grad(slope, w, probe, retain_graph=True)
    return (pulled.double() * probe.double()).flatten(1).sum(dim=1)


def _exact_divergence(slope: Tensor, w: Tensor) -> Tensor:
    """The trace of ∂slope/∂w of each item, (items,)."""
    total = torch.zeros(len(w), dtype=torch.float64, device=w.device)
    for index in range(w[0].numel()):
        one = torch.zeros_like(w).flatten(1)
        one[:, index] = 1
        total = total + _along(slope, w, one.view_as(w))
    return total
