"""How often each time is trained on: distributions of t over a schedule's range."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random

LOWEST_LOG_SNR, HIGHEST_LOG_SNR = -10.0, 13.0  # where nothing is left of data, and of 8-bit noise


class Times(ABC):
    """A distribution of training times."""

    @abstractmethod
    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        """The time below which a share `u` of all times lies; float64 in, float64 out."""

    @abstractmethod
    def density(self, t: Tensor, schedule: Schedule) -> Tensor:
        """How often times are drawn at `t`, per unit of t, in float64.

        What is an integral over t (`objectives`) divides by it. Times that lie beyond the
        schedule's range and are drawn at its ends are not counted.
        """

    def sample(self, schedule: Schedule, random: Random) -> Tensor:
        """One time for each of `random`'s items, float32, within the schedule's range.

        The times of a batch are stratified (Kingma et al. 2021, arXiv:2107.00630, I.1): that
        every part of the range is met makes the batch's loss less noisy.
        """
        times = self.quantile(random.stratified("times"), schedule).clamp(
            schedule.t_min, schedule.t_max
        )
        return times.float()


@dataclass(frozen=True, kw_only=True)
class Uniform(Times):
    """Every time of the schedule's range equally often."""

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        return schedule.t_min + u * (schedule.t_max - schedule.t_min)

    def density(self, t: Tensor, schedule: Schedule) -> Tensor:
        return torch.full_like(t.double(), 1 / (schedule.t_max - schedule.t_min))


@dataclass(frozen=True, kw_only=True)
class LogitNormal(Times):
    """t = sigmoid(mean + std z) (Esser et al. 2024, arXiv:2403.03206, eq. 19).

    `uniform` of the times are spread evenly instead: sampling starts at an end which the normal
    never reaches, and what the network says there without having learned it shifts every sample.
    """

    mean: float = option(0.0, "above 0: more often noisy than clean")
    std: float = option(1.0, "spread of logit(t)")
    uniform: float = option(0.02, "share of the times drawn evenly, so that the ends are learned")

    def __post_init__(self) -> None:
        _check_std(self.std)
        if not 0 <= self.uniform <= 1:
            raise ValueError(f"uniform is {self.uniform}; allowed is 0 to 1")

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        normal = ((u - self.uniform) / (1 - self.uniform + 1e-12)).clamp(1e-12, 1 - 1e-12)
        evenly = schedule.t_min + u / (self.uniform + 1e-12) * (schedule.t_max - schedule.t_min)
        logit = self.mean + self.std * torch.special.ndtri(normal)
        return torch.where(u < self.uniform, evenly, torch.sigmoid(logit))

    def density(self, t: Tensor, schedule: Schedule) -> Tensor:
        inside = t.double().clamp(1e-12, 1 - 1e-12)
        normal = _normal(torch.logit(inside), self.mean, self.std) / (inside * (1 - inside))
        return self.uniform / (schedule.t_max - schedule.t_min) + (1 - self.uniform) * normal


@dataclass(frozen=True, kw_only=True)
class LogNormalSigma(Times):
    """log(sigma / alpha) normal (Karras et al. 2022, arXiv:2206.00364, table 1)."""

    mean: float = option(-1.2, "mean of log(sigma / alpha)")
    std: float = option(1.2, "spread of log(sigma / alpha)")

    def __post_init__(self) -> None:
        _check_std(self.std)

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        log_ratio = self.mean + self.std * torch.special.ndtri(u)
        return schedule.t_of_log_snr(-2 * log_ratio)

    def density(self, t: Tensor, schedule: Schedule) -> Tensor:
        log_ratio = -0.5 * schedule.log_snr(t.double())
        return 0.5 * log_snr_rate(schedule, t) * _normal(log_ratio, self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class UniformLogSNR(Times):
    """Every log-SNR of a range equally often, as suits the continuous bound (objective `vdm`)."""

    lowest: float = option(
        LOWEST_LOG_SNR, "log-SNR of the noisiest time, or the schedule's own if above"
    )
    highest: float = option(
        HIGHEST_LOG_SNR, "log-SNR of the cleanest time, or the schedule's own if below"
    )

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise ValueError(
                f"lowest {self.lowest} and highest {self.highest} are given; allowed is lowest < "
                "highest"
            )

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        low, high = log_snr_range(schedule, self.lowest, self.highest)
        return schedule.t_of_log_snr(high - u * (high - low))

    def density(self, t: Tensor, schedule: Schedule) -> Tensor:
        low, high = log_snr_range(schedule, self.lowest, self.highest)
        return log_snr_rate(schedule, t) / (high - low)


@dataclass(frozen=True, kw_only=True)
class Between(Times):
    """Every time of a part of the range equally often: of an expert in that part.

    Where the part reaches beyond the schedule's range, as far as that goes.
    """

    lowest: float = option(0.0, "the cleanest t")
    highest: float = option(1.0, "the noisiest t")

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest <= 1:
            raise ValueError(
                f"lowest {self.lowest} and highest {self.highest} are given; allowed is "
                "0 <= lowest < highest <= 1"
            )

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        low, high = self._part(schedule)
        return low + u * (high - low)

    def density(self, t: Tensor, schedule: Schedule) -> Tensor:
        low, high = self._part(schedule)
        inside = (low <= t) & (t <= high)
        return inside.double() / (high - low)

    def _part(self, schedule: Schedule) -> tuple[float, float]:
        low, high = max(self.lowest, schedule.t_min), min(self.highest, schedule.t_max)
        if not low < high:
            raise ValueError(
                f"times from {self.lowest} to {self.highest} are asked for, and the schedule's run "
                f"from {schedule.t_min:g} to {schedule.t_max:g}; set lowest and highest within them"
            )
        return low, high


def log_snr_range(
    schedule: Schedule, lowest: float = LOWEST_LOG_SNR, highest: float = HIGHEST_LOG_SNR
) -> tuple[float, float]:
    """What a schedule covers of a range of log-SNR, which need not end."""
    ends = torch.tensor([schedule.t_max, schedule.t_min], dtype=torch.float64)
    low, high = schedule.log_snr(ends).tolist()
    return max(low, lowest), min(high, highest)


def log_snr_rate(schedule: Schedule, t: Tensor) -> Tensor:
    """How fast the log-SNR falls over t, -d log-SNR / dt, in float64."""
    at = schedule.at(t.double())
    return 2 * (at.d_sigma / at.sigma - at.d_alpha / at.alpha)


def _check_std(std: float) -> None:
    if not std > 0:
        raise ValueError(f"std is {std}; allowed is above 0")


def _normal(x: Tensor, mean: float, std: float) -> Tensor:
    """The density of N(mean, std²)."""
    return torch.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))


TIMES: dict[str, type[Times]] = {
    "uniform": Uniform,
    "logit-normal": LogitNormal,
    "log-normal-sigma": LogNormalSigma,
    "uniform-log-snr": UniformLogSNR,
    "between": Between,
}
