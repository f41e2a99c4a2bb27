"""Training objectives and the distributions of training times.

An objective turns a prediction and the truth into one loss per item (mean over the item's numbers).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.process import READ
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random


class Objective(ABC):
    """Loss per item, shape (items,), of a prediction at times `t`."""

    @abstractmethod
    def losses(
        self, prediction: Prediction, x0: Tensor, noise: Tensor, t: Tensor, schedule: Schedule
    ) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Simple(Objective):
    """Mean squared error of the target itself (Ho et al. 2020, arXiv:2006.11239, eq. 14)."""

    def losses(
        self, prediction: Prediction, x0: Tensor, noise: Tensor, t: Tensor, schedule: Schedule
    ) -> Tensor:
        truth = READ[prediction.target](x0, noise, prediction.at)
        return _mean_square(prediction.output - truth)


@dataclass(frozen=True, kw_only=True)
class VelocityLoss(Objective):
    """Mean squared error of the velocity, whatever the target (Li & He, arXiv:2511.13720).

    It is computed as that of x0: an error e there is one of (alpha' - alpha sigma'/sigma) e in the
    velocity, which is e/t on the straight path. `t_floor` bounds that weight where almost no noise
    is left, so below it errors count for less than they are.
    """

    t_floor: float = option(0.05, "the weight is computed at no less than this t")

    def __post_init__(self) -> None:
        _check_range("t_floor", self.t_floor, above=0, below=1)

    def losses(
        self, prediction: Prediction, x0: Tensor, noise: Tensor, t: Tensor, schedule: Schedule
    ) -> Tensor:
        at = schedule.at(t.clamp(min=self.t_floor), like=x0)
        per_x0 = at.d_alpha - at.alpha * at.d_sigma / at.sigma
        return _mean_square(per_x0 * (prediction.x0 - x0))


@dataclass(frozen=True, kw_only=True)
class MinSNR(Objective):
    """min(SNR, gamma) times the squared error of x0, whatever the target.

    (Hang et al. 2023, arXiv:2303.09556, section 3.4.) SNR = alpha² / sigma². An error e of x0 is
    one of (alpha / sigma) e of the noise, so below gamma this is the squared error of the noise,
    and above it gamma / SNR times that.
    """

    gamma: float = option(5.0, "the largest weight of an error of x0")

    def __post_init__(self) -> None:
        _check_range("gamma", self.gamma, above=0)

    def losses(
        self, prediction: Prediction, x0: Tensor, noise: Tensor, t: Tensor, schedule: Schedule
    ) -> Tensor:
        weight = _snr(prediction).clamp(max=self.gamma)
        return _mean_square(weight.sqrt() * (prediction.x0 - x0))


@dataclass(frozen=True, kw_only=True)
class EDMLoss(Objective):
    """Squared error of x0, weighted so that an untrained `edm` denoiser has loss 1 at every noise.

    (Karras et al. 2022, arXiv:2206.00364, table 1.) With sigma / alpha in the place of their sigma,
    for any alpha, and s the standard deviation of the data,
        lambda = (sigma² + s²) / (sigma s)² = 1 / s² + SNR.
    """

    sigma_floor: float = option(0.002, "the weight is computed at no less than this sigma / alpha")

    def __post_init__(self) -> None:
        _check_range("sigma_floor", self.sigma_floor, above=0)

    def losses(
        self, prediction: Prediction, x0: Tensor, noise: Tensor, t: Tensor, schedule: Schedule
    ) -> Tensor:
        if prediction.data_std is None:
            raise ValueError(
                "objective 'edm' is weighted by the data's standard deviation, and the prediction "
                "does not carry it; allowed is the prediction of a Denoiser"
            )
        weight = prediction.data_std**-2 + _snr(prediction).clamp(max=self.sigma_floor**-2)
        return _mean_square(weight.sqrt() * (prediction.x0 - x0))


def _snr(prediction: Prediction) -> Tensor:
    """alpha² / sigma², shaped to broadcast against xt; infinite where there is no noise."""
    return (prediction.at.alpha / prediction.at.sigma).square()


def _check_range(name: str, value: float, *, above: float, below: float = math.inf) -> None:
    if not above < value < below:
        upper = f" and below {below}" if below < math.inf else ""
        raise ValueError(f"{name} is {value}; allowed is above {above}{upper}")


def _mean_square(error: Tensor) -> Tensor:
    return error.square().flatten(1).mean(dim=1)


OBJECTIVES: dict[str, type[Objective]] = {
    "simple": Simple,
    "velocity": VelocityLoss,
    "min-snr": MinSNR,
    "edm": EDMLoss,
}


class Times(ABC):
    """A distribution of training times."""

    @abstractmethod
    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        """The time below which a share `u` of all times lies; float64 in, float64 out."""

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
        _check_range("std", self.std, above=0)
        if not 0 <= self.uniform <= 1:
            raise ValueError(f"uniform is {self.uniform}; allowed is 0 to 1")

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        normal = ((u - self.uniform) / (1 - self.uniform + 1e-12)).clamp(1e-12, 1 - 1e-12)
        evenly = schedule.t_min + u / (self.uniform + 1e-12) * (schedule.t_max - schedule.t_min)
        logit = self.mean + self.std * torch.special.ndtri(normal)
        return torch.where(u < self.uniform, evenly, torch.sigmoid(logit))


@dataclass(frozen=True, kw_only=True)
class LogNormalSigma(Times):
    """log(sigma / alpha) normal (Karras et al. 2022, arXiv:2206.00364, table 1)."""

    mean: float = option(-1.2, "mean of log(sigma / alpha)")
    std: float = option(1.2, "spread of log(sigma / alpha)")

    def __post_init__(self) -> None:
        _check_range("std", self.std, above=0)

    def quantile(self, u: Tensor, schedule: Schedule) -> Tensor:
        log_ratio = self.mean + self.std * torch.special.ndtri(u)
        return schedule.t_of_log_snr(-2 * log_ratio)


TIMES: dict[str, type[Times]] = {
    "uniform": Uniform,
    "logit-normal": LogitNormal,
    "log-normal-sigma": LogNormalSigma,
}
