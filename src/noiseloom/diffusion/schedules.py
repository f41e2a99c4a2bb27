"""Noise schedules: alpha and sigma over t, their derivatives, log-SNR and its inverse.

A schedule is a frozen dataclass; its fields are its settings in a recipe. Everything is computed in
float64 and returned in the dtype of `t`. Samplers walk from `t_max` to `t_min`. A range that
reaches log-SNR = -infinity (alpha = 0) cannot be learned by predicting the noise: `x0` is lost in
it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from noiseloom.config import option


class Coefficients(NamedTuple):
    """alpha, sigma and their derivatives at t, each shaped to broadcast against xt."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor

    @property
    def log_snr(self) -> Tensor:
        """log(alpha² / sigma²); +infinity where there is no noise, -infinity where only noise."""
        return 2 * (self.alpha.log() - self.sigma.log())


class Schedule(ABC):
    """`xt = alpha(t) x0 + sigma(t) noise` for t in [t_min, t_max], t = 1 being noise."""

    t_min: float = 0.0
    t_max: float = 1.0
    most_moves: ClassVar[int | None] = None  # of a sampler, where only a table's times are learned

    @abstractmethod
    def _curves(self, t: Tensor) -> Coefficients:
        """The four curves for a float64 `t`."""

    @abstractmethod
    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        """The time at which the log signal-to-noise ratio is `log_snr`, in float64."""

    def at(self, t: Tensor, like: Tensor | None = None) -> Coefficients:
        """The four curves at `t`, in `t`'s dtype; with `like`, shaped to broadcast against it."""
        if like is not None:
            t = expand(t, like)
        return Coefficients(*(curve.to(t.dtype) for curve in self._curves(t.double())))

    def alpha(self, t: Tensor) -> Tensor:
        """The share of the clean data in xt."""
        return self.at(t).alpha

    def sigma(self, t: Tensor) -> Tensor:
        """The share of the noise in xt."""
        return self.at(t).sigma

    def log_snr(self, t: Tensor) -> Tensor:
        """log(alpha² / sigma²); +infinity where there is no noise, -infinity where only noise."""
        return self._curves(t.double()).log_snr.to(t.dtype)

    @property
    def reaches_pure_noise(self) -> bool:
        """Whether alpha is 0 at t_max, so that noise and score say nothing of x0 there."""
        return float(self.alpha(torch.tensor(self.t_max, dtype=torch.float64))) < 1e-6


def expand(t: Tensor, like: Tensor) -> Tensor:
    """`t` with trailing axes added until it broadcasts against `like`.

    Raises ValueError unless `t` is a scalar, has one entry per item, or has `like`'s axes.
    """
    if t.ndim not in (0, 1, like.ndim):
        raise ValueError(
            f"t has shape {tuple(t.shape)}; allowed is one number, one per item ({len(like)},), or "
            f"{like.ndim} axes that broadcast against {tuple(like.shape)}"
        )
    return t if t.ndim in (0, like.ndim) else t.reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True, kw_only=True)
class LinearBeta(Schedule):
    """Variance-preserving, beta linear in t (Song et al., arXiv:2011.13456, appendix B, eq. 33).

    `zero_terminal` is Lin et al. 2023, arXiv:2305.08891, algorithm 1.
    """

    beta_min: float = option(0.1, "rate of noising at t = 0, per unit of t")
    beta_max: float = option(20.0, "rate of noising at t = 1, per unit of t")
    t_min: float = option(1e-3, "where samplers stop, in t")
    zero_terminal: bool = option(
        False, "whether alpha is moved so that it ends at 0, in pure noise"
    )

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max:
            raise ValueError(
                f"beta_min {self.beta_min} and beta_max {self.beta_max} are given; "
                "allowed is 0 < beta_min < beta_max"
            )
        _check_end("t_min", self.t_min, 0.1)

    def _log_alpha(self, t: Tensor) -> Tensor:
        return -0.25 * t**2 * (self.beta_max - self.beta_min) - 0.5 * t * self.beta_min

    @property
    def _log_end(self) -> Tensor:
        return self._log_alpha(torch.ones((), dtype=torch.float64))

    def _curves(self, t: Tensor) -> Coefficients:
        log_alpha = self._log_alpha(t)
        half_beta = 0.5 * (self.beta_min + t * (self.beta_max - self.beta_min))
        alpha = log_alpha.exp()
        if not self.zero_terminal:
            sigma = (-torch.expm1(2 * log_alpha)).sqrt()
            return Coefficients(alpha, sigma, -half_beta * alpha, half_beta * alpha**2 / sigma)
        # alpha is moved and scaled to run from 1 to 0: (alpha - end) / (1 - end)
        span = -torch.expm1(self._log_end)
        moved = self._log_end.exp() * torch.expm1(log_alpha - self._log_end) / span
        lost = -torch.expm1(log_alpha) / span
        sigma = (lost * (2 - lost)).sqrt()
        d_alpha = -half_beta * alpha / span
        return Coefficients(moved, sigma, d_alpha, -moved * d_alpha / sigma)

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        slope = self.beta_max - self.beta_min
        minus_log_alpha = 0.5 * torch.nn.functional.softplus(-log_snr.double())
        if self.zero_terminal:
            lost = -torch.expm1(-minus_log_alpha) * -torch.expm1(self._log_end)
            minus_log_alpha = -torch.log1p(-lost)
        root = (self.beta_min**2 + 4 * slope * minus_log_alpha).sqrt()
        return 4 * minus_log_alpha / (root + self.beta_min)  # stable form of the quadratic's root


@dataclass(frozen=True, kw_only=True)
class DiscreteBeta(Schedule):
    """Variance-preserving, a table of betas (Ho et al. 2020, arXiv:2006.11239, section 4).

    Time k / num_times is theirs of number k: alpha² there is the product of (1 - beta) up to it,
    and between two of them its logarithm is a straight line. Samplers end at the first, where the
    least noise is that a network of the table has learned.
    """

    beta_first: float = option(1e-4, "variance added by the first step")
    beta_last: float = option(0.02, "variance added by the last step; even between the two")
    num_times: int = option(1000, "noisy times in the table")

    def __post_init__(self) -> None:
        if not 0 < self.beta_first <= self.beta_last < 1:
            raise ValueError(
                f"beta_first {self.beta_first} and beta_last {self.beta_last} are given; allowed "
                "is 0 < beta_first <= beta_last < 1"
            )
        if self.num_times < 2:
            raise ValueError(f"num_times is {self.num_times}; allowed is 2 or more")

    @property
    def t_min(self) -> float:  # type: ignore[override]
        return 1 / self.num_times

    @property
    def most_moves(self) -> int:  # type: ignore[override]
        return self.num_times - 1

    @cached_property
    def _log_alphas(self) -> Tensor:
        """log(alpha) at the times 0, 1, … num_times of the table."""
        betas = torch.linspace(self.beta_first, self.beta_last, self.num_times, dtype=torch.float64)
        return torch.cat([torch.zeros(1).double(), 0.5 * torch.log1p(-betas).cumsum(0)])

    def _curves(self, t: Tensor) -> Coefficients:
        table = self._log_alphas.to(t.device)
        place = t * self.num_times
        left = place.floor().clamp(0, self.num_times - 1).long()
        slope = table[left + 1] - table[left]
        log_alpha = table[left] + (place - left) * slope
        alpha, sigma = log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()
        d_log_alpha = slope * self.num_times
        return Coefficients(alpha, sigma, d_log_alpha * alpha, -d_log_alpha * alpha**2 / sigma)

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        table = self._log_alphas.to(log_snr.device)
        log_alpha = -0.5 * torch.nn.functional.softplus(-log_snr.double())
        right = torch.searchsorted(-table, -log_alpha.contiguous()).clamp(1, self.num_times)
        share = (log_alpha - table[right - 1]) / (table[right] - table[right - 1])
        return (right - 1 + share) / self.num_times


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2) (after Nichol & Dhariwal, arXiv:2102.09672)."""

    clip: float = option(0.0, "how much of the noisy end is left out, in t")

    def __post_init__(self) -> None:
        _check_end("clip", self.clip, 0.5)

    @property
    def t_max(self) -> float:  # type: ignore[override]
        return 1.0 - self.clip

    def _curves(self, t: Tensor) -> Coefficients:
        angle = 0.5 * math.pi * t
        # cos(pi/2) is 6e-17 in float64; exactly 0 keeps "pure noise" exact
        alpha = torch.where(t == 1, torch.zeros_like(t), angle.cos())
        sigma = angle.sin()
        return Coefficients(alpha, sigma, -0.5 * math.pi * sigma, 0.5 * math.pi * alpha)

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        return torch.atan(torch.exp(-0.5 * log_snr.double())) * (2 / math.pi)


@dataclass(frozen=True, kw_only=True)
class EDM(Schedule):
    """Variance-exploding, alpha = 1; t is Karras' step spacing (arXiv:2206.00364, eq. 5)."""

    sigma_min: float = option(0.002, "noise at t = 0, in units of the data")
    sigma_max: float = option(80.0, "noise at t = 1, in units of the data")
    rho: float = option(7.0, "how much of t is spent on small noise")

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max or self.rho <= 0:
            raise ValueError(
                f"sigma_min {self.sigma_min}, sigma_max {self.sigma_max} and rho {self.rho} are "
                "given; allowed is 0 < sigma_min < sigma_max and rho > 0"
            )

    def _curves(self, t: Tensor) -> Coefficients:
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        root = low + t * (high - low)
        d_sigma = self.rho * root ** (self.rho - 1) * (high - low)
        return Coefficients(
            torch.ones_like(t), root**self.rho, torch.zeros_like(t), d_sigma.expand_as(t)
        )

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (torch.exp(-0.5 * log_snr.double() / self.rho) - low) / (high - low)


@dataclass(frozen=True, kw_only=True)
class RectifiedFlow(Schedule):
    """alpha = 1 - t, sigma = t: straight lines (Liu et al., arXiv:2209.03003)."""

    clip: float = option(0.0, "how much of the noisy end is left out, in t")

    def __post_init__(self) -> None:
        _check_end("clip", self.clip, 0.5)

    @property
    def t_max(self) -> float:  # type: ignore[override]
        return 1.0 - self.clip

    def _curves(self, t: Tensor) -> Coefficients:
        return Coefficients(1 - t, t, -torch.ones_like(t), torch.ones_like(t))

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-0.5 * log_snr.double())


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Schedule):
    """Variance-preserving, alpha² = gamma(t) (Jabri et al. 2022, arXiv:2212.11972).

    gamma(t) = (S(e) - S(u)) / (S(e) - S(b)) with S the logistic sigmoid, b = start / tau,
    e = end / tau and u = b + t (e - b) (Chen 2023, arXiv:2301.10972, algorithm 1, sigmoid_schedule;
    its clip_min is `clip` here). By S(x) - S(y) = sinh((x - y)/2) / (2 cosh(x/2) cosh(y/2)) it is
    written without differences of nearly equal numbers, exact at both ends. The derivative of sigma
    is infinite at t = 0 and that of alpha at t = 1, so both ends are left out.
    """

    start: float = option(-3.0, "where on the sigmoid t = 0 lies")
    end: float = option(3.0, "where on the sigmoid t = 1 lies")
    tau: float = option(1.0, "temperature: below 1 steeper in the middle, above 1 flatter")
    t_min: float = option(1e-3, "where samplers stop, in t")
    clip: float = option(1e-3, "how much of the noisy end is left out, in t")

    def __post_init__(self) -> None:
        if not (self.start < self.end and self.tau > 0):
            raise ValueError(
                f"start {self.start}, end {self.end} and tau {self.tau} are given; allowed is "
                "start < end and tau > 0"
            )
        if max(abs(self.start), abs(self.end)) > 100 * self.tau:  # cosh overflows, all is one step
            raise ValueError(
                f"start {self.start} and end {self.end} are given with tau {self.tau}; allowed is "
                "-100 to 100 when divided by tau"
            )
        _check_end("t_min", self.t_min, 0.1)
        _check_end("clip", self.clip, 0.5)

    @property
    def t_max(self) -> float:  # type: ignore[override]
        return 1.0 - self.clip

    def _curves(self, t: Tensor) -> Coefficients:
        b, e = self.start / self.tau, self.end / self.tau
        width = e - b
        u = b + t * width
        scale = math.sinh(width / 2) * torch.cosh(u / 2)
        alpha = (torch.sinh((1 - t) * width / 2) * math.cosh(b / 2) / scale).sqrt()
        sigma = (torch.sinh(t * width / 2) * math.cosh(e / 2) / scale).sqrt()
        # gamma' = -width S(u) (1 - S(u)) / (S(e) - S(b)); alpha' = gamma'/(2 alpha)
        d_gamma = -0.5 * width * math.cosh(b / 2) * math.cosh(e / 2) / (scale * torch.cosh(u / 2))
        return Coefficients(alpha, sigma, 0.5 * d_gamma / alpha, -0.5 * d_gamma / sigma)

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        # solves SNR = gamma / (1 - gamma) = sinh((1 - t) w/2) cosh(b/2) / (sinh(t w/2) cosh(e/2))
        b, e = self.start / self.tau, self.end / self.tau
        width = e - b
        ratio = torch.exp(log_snr.double()) * (math.cosh(e / 2) / math.cosh(b / 2))
        return torch.log1p(2 * math.sinh(width / 2) / (ratio + math.exp(-width / 2))) / width


def _check_end(name: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        raise ValueError(f"{name} is {value}; allowed is 0 to {most}")


SCHEDULES: dict[str, type[Schedule]] = {
    "linear-beta": LinearBeta,
    "discrete-beta": DiscreteBeta,
    "cosine": Cosine,
    "edm": EDM,
    "rectified-flow": RectifiedFlow,
    "sigmoid": Sigmoid,
}
