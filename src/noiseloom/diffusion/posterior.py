"""The step back from t to s < t: q(x_s | x_t, x0), and the variances a model may take it with.

With r = SNR(t) / SNR(s) and v = alpha² std² + sigma², the variance of xt over data of spread `std`:
    q(x_s | x_t, x0) = N(alpha_s x0 + sigma_s sqrt(r) noise, sigma_s² (1 - r))
    low  = sigma_s² (1 - r)               right where the data is a point
    high = low · (sigma_t² v_s) / (sigma_s² v_t)    right where it is N(m, std²)
which are Ho et al.'s beta_tilde and, for variance-preserving schedules and std 1, beta (2020,
arXiv:2006.11239, section 3.2). A network may answer where between them it is, v in
    variance = exp(v log high + (1 - v) log low)
(Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 15). A step to clean data has sigma_s = 0 and r = 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from noiseloom.diffusion.schedules import Coefficients

LEAST_VARIANCE = 1e-20  # whose logarithm is taken; where data is reached there is none


class Variances(NamedTuple):
    """The least and the most variance of a step, each shaped as the coefficients are."""

    low: Tensor
    high: Tensor


def snr_ratio(at: Coefficients, to: Coefficients) -> Tensor:
    """r = SNR(t) / SNR(s), in [0, 1]."""
    return (at.alpha * to.sigma / (to.alpha * at.sigma)) ** 2


def variances(at: Coefficients, to: Coefficients, std: Tensor | float = 1.0) -> Variances:
    """Both variances of a step from `at` to `to`, over data of spread `std`."""
    left = 1 - snr_ratio(at, to)
    spread_at = at.alpha**2 * std**2 + at.sigma**2
    spread_to = to.alpha**2 * std**2 + to.sigma**2
    return Variances(to.sigma**2 * left, at.sigma**2 * left * spread_to / spread_at)


def between(both: Variances, interpolation: Tensor | None) -> Tensor:
    """The variance that a network chose, eq. 15; the least where it chose none."""
    if interpolation is None:
        return both.low
    low, high = (v.clamp(min=LEAST_VARIANCE).log() for v in both)
    return torch.exp(interpolation * high + (1 - interpolation) * low)
