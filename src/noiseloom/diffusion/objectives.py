"""Training objectives: what is minimised at the times that a run draws.

An objective turns a prediction and the truth into one loss per item (mean over the item's numbers).
The variational bounds are sums or integrals over all times, whichever are drawn: their losses are
divided by how often a time is drawn, so that their mean is the bound in nats per number, without
the terms that have nothing to learn. `bound` holds their mathematics.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.bound import Chain, continuous_weight
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.process import READ
from noiseloom.diffusion.schedules import Schedule, expand
from noiseloom.diffusion.times import HIGHEST_LOG_SNR


class Objective(ABC):
    """Loss per item, shape (items,), of a prediction at times `t`."""

    learns_variance: ClassVar[bool] = False

    @abstractmethod
    def losses(
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
    ) -> Tensor:
        """`density` (items,) is how often the times are drawn there; None: evenly."""

    def visited(self, t: Tensor, schedule: Schedule) -> Tensor:
        """The times (items,) at which the losses of drawn times `t` are taken."""
        return t


@dataclass(frozen=True, kw_only=True)
class Simple(Objective):
    """Mean squared error of the target itself (Ho et al. 2020, arXiv:2006.11239, eq. 14)."""

    def losses(
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
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
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
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
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
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
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
    ) -> Tensor:
        if prediction.data_std is None:
            raise ValueError(
                "objective 'edm' is weighted by the data's standard deviation, and the prediction "
                "does not carry it; allowed is the prediction of a Denoiser"
            )
        weight = prediction.data_std**-2 + _snr(prediction).clamp(max=self.sigma_floor**-2)
        return _mean_square(weight.sqrt() * (prediction.x0 - x0))


@dataclass(frozen=True, kw_only=True)
class Variational(Objective):
    """The bound of a chain of `steps` steps (Ho et al. 2020, arXiv:2006.11239, eq. 5).

    Each drawn time stands for the step it lies in. Of the bound's terms L_0 is that of a Gaussian
    decoder over the levels of 8-bit data, or of its density where data has none.
    """

    learns_variance: ClassVar[bool] = True

    steps: int = option(1000, "steps of the chain, evenly spaced in t")

    def __post_init__(self) -> None:
        _check_steps(self.steps)

    def visited(self, t: Tensor, schedule: Schedule) -> Tensor:
        return Chain(schedule, self.steps).visited(t)

    def losses(
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
    ) -> Tensor:
        chain = Chain(schedule, self.steps)
        terms = chain.terms(prediction, x0, chain.index(t)).flatten(1).mean(dim=1)
        return self.steps * terms / _relative(density, t, schedule).to(terms)


@dataclass(frozen=True, kw_only=True)
class Hybrid(Objective):
    """The simple loss, and a little of the bound for the variance alone.

    (Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 16.) The bound's gradient does not reach what the
    network says of the mean. Times are those of `variational`.
    """

    learns_variance: ClassVar[bool] = True

    steps: int = option(1000, "steps of the chain, evenly spaced in t")
    bound: float = option(0.001, "weight of the bound, in nats per number, beside the simple loss")

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        _check_range("bound", self.bound, above=0)

    def visited(self, t: Tensor, schedule: Schedule) -> Tensor:
        return Chain(schedule, self.steps).visited(t)

    def losses(
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
    ) -> Tensor:
        simple = Simple().losses(prediction, x0, noise, t, schedule)
        fixed = replace(prediction, output=prediction.output.detach())
        bound = Variational(steps=self.steps).losses(fixed, x0, noise, t, schedule, density)
        return simple + self.bound * bound


@dataclass(frozen=True, kw_only=True)
class ContinuousBound(Objective):
    """The bound of infinitely many steps, -dSNR/dt / 2 times the squared error of x0.

    (Kingma et al. 2021, arXiv:2107.00630, eq. 17.) It depends on the schedule through the range
    of its log-SNR alone. Above `highest_log_snr` the data is read off xt, by a decoder that has
    nothing to learn: nearer to the data the weight has no bound. Times `uniform-log-snr` suit it:
    of others a few that are seldom drawn make up most of the loss.
    """

    highest_log_snr: float = option(HIGHEST_LOG_SNR, "cleaner times are left to the decoder")

    def losses(
        self,
        prediction: Prediction,
        x0: Tensor,
        noise: Tensor,
        t: Tensor,
        schedule: Schedule,
        density: Tensor | None = None,
    ) -> Tensor:
        inside = schedule.log_snr(t) <= self.highest_log_snr + 1e-3  # t is a number of 24 bits
        span = schedule.t_max - schedule.t_min
        weight = torch.where(inside, span * continuous_weight(schedule, t), 0.0)
        weight = expand((weight / _relative(density, t, schedule)).to(x0), x0)
        return _mean_square(weight.sqrt() * (prediction.x0 - x0))


def _relative(density: Tensor | None, t: Tensor, schedule: Schedule) -> Tensor:
    """How often times are drawn, relative to evenly, in float64."""
    if density is None:
        return torch.ones_like(t, dtype=torch.float64)
    return density.double() * (schedule.t_max - schedule.t_min)


def _snr(prediction: Prediction) -> Tensor:
    """alpha² / sigma², shaped to broadcast against xt; infinite where there is no noise."""
    return (prediction.at.alpha / prediction.at.sigma).square()


def _check_range(name: str, value: float, *, above: float, below: float = math.inf) -> None:
    if not above < value < below:
        upper = f" and below {below}" if below < math.inf else ""
        raise ValueError(f"{name} is {value}; allowed is above {above}{upper}")


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"steps is {steps}; a chain has at least 1")


def _mean_square(error: Tensor) -> Tensor:
    return error.square().flatten(1).mean(dim=1)


OBJECTIVES: dict[str, type[Objective]] = {
    "simple": Simple,
    "velocity": VelocityLoss,
    "min-snr": MinSNR,
    "edm": EDMLoss,
    "variational": Variational,
    "hybrid": Hybrid,
    "vdm": ContinuousBound,
}
