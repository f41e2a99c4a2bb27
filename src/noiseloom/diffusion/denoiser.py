"""A network with its preconditioning, and the one answer it gives: a `Prediction`.

Preconditioning follows Karras et al. 2022 (arXiv:2206.00364, section 5), carried over to any alpha
and to data of mean m and standard deviation s:
    c_in   = 1 / sqrt(alpha² s² + sigma²)             of xt - alpha m: the input has unit variance
    c_skip = alpha s² / (alpha² s² + sigma²)
    c_out  = s sigma / sqrt(alpha² s² + sigma²)       so F = 0 is exact for data ~ N(m, s²)
The network is told the noise level -log-SNR / 8, which is Karras' c_noise = ln(sigma) / 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from noiseloom.diffusion.levels import Levels
from noiseloom.diffusion.process import READ, SOLVE, Target, check_pairing
from noiseloom.diffusion.schedules import Coefficients, Schedule
from noiseloom.diffusion.uncertainty import Uncertainty
from noiseloom.seeds import Random

Preconditioning = Literal["input", "edm"]

MOST_LOG_SNR = 8.0  # of either sign that a network is told: beyond it nothing changes
CLEAN_LEVEL = -MOST_LOG_SNR / 8  # what a network is told of data without noise


@dataclass(frozen=True)
class Prediction:
    """What a denoiser says at (xt, t): x0, noise, velocity, v and score, whatever was predicted.

    `output` is the network's answer in terms of `target`; all tensors have xt's shape. Of the data
    a `Denoiser` knows its spread, `data_std` (a scalar), and the `levels` it takes (None: any
    number). What else a network has learned is there or None: `interpolation`, of xt's shape, where
    between the two variances of a step it is (`posterior`); `uncertainty` (B,), the logarithm of
    the loss to be expected.
    """

    output: Tensor
    target: Target
    xt: Tensor
    at: Coefficients
    data_std: Tensor | None = None
    levels: Levels | None = None
    interpolation: Tensor | None = None
    uncertainty: Tensor | None = None

    @cached_property
    def _pair(self) -> tuple[Tensor, Tensor]:
        return SOLVE[self.target](self.output, self.xt, self.at)

    @property
    def x0(self) -> Tensor:
        """The clean data it believes in."""
        return self.output if self.target == "x0" else self._pair[0]

    @property
    def noise(self) -> Tensor:
        """The noise it believes is in xt."""
        return self.output if self.target == "noise" else self._pair[1]

    def read(self, target: Target) -> Tensor:
        """The prediction expressed as `target`."""
        if target == self.target:
            return self.output
        return READ[target](*self._pair, self.at)

    @property
    def velocity(self) -> Tensor:
        """d xt / dt along the probability-flow path."""
        return self.read("velocity")

    @property
    def v(self) -> Tensor:
        """alpha noise - sigma x0."""
        return self.read("v")

    @property
    def score(self) -> Tensor:
        """The gradient of log p_t at xt."""
        return self.read("score")


Denoise = Callable[[Tensor, Tensor], Prediction]
"""What samplers call: (xt, t) -> Prediction, with condition and guidance already inside."""


@dataclass(frozen=True)
class Statistics:
    """What preconditioning knows of the data: the mean of an item, and the spread about it."""

    mean: Tensor
    std: float


def noise_level(schedule: Schedule, t: Tensor, most_log_snr: float = MOST_LOG_SNR) -> Tensor:
    """What a network is told of the noise at `t`: -log-SNR / 8, held within `most_log_snr`."""
    return level_of(schedule.log_snr(t), most_log_snr)


def level_of(log_snr: Tensor, most_log_snr: float = MOST_LOG_SNR) -> Tensor:
    """What a network is told where the log-SNR is `log_snr`."""
    return -log_snr.clamp(-most_log_snr, most_log_snr) / 8


def check_preconditioning(preconditioning: Preconditioning, target: Target) -> None:
    """Raise ValueError where the target is not what the preconditioning answers."""
    if preconditioning == "edm" and target != "x0":
        raise ValueError(
            f"preconditioning 'edm' makes the network's output into x0, but the target is "
            f"'{target}'; use target x0 or preconditioning 'input'"
        )


class Denoiser(nn.Module):
    """`network(x, level, condition, random)` made into a denoiser for one schedule and one target.

    With `learned_variance` the network answers two numbers for each of the item's, of which the
    second, in [-1, 1] where it has learned, is the place between the variances of a step; with
    `uncertainty` the loss to be expected at a noise level is learned, too. The network is told no
    difference between log-SNRs beyond `most_log_snr` of either sign. Raises ValueError where
    the target cannot be learned on the schedule.
    """

    data_mean: Tensor
    data_std: Tensor

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        *,
        target: Target,
        preconditioning: Preconditioning = "input",
        statistics: Statistics,
        levels: Levels | None = None,
        learned_variance: bool = False,
        uncertainty: bool = False,
        most_log_snr: float = MOST_LOG_SNR,
    ) -> None:
        super().__init__()
        check_pairing(target, schedule)
        check_preconditioning(preconditioning, target)
        self.network = network
        self.schedule = schedule
        self.target: Target = target
        self.preconditioning = preconditioning
        self.levels = levels
        self.most_log_snr = most_log_snr
        self.learned_variance = learned_variance
        self.uncertainty = Uncertainty() if uncertainty else None
        self.register_buffer("data_mean", statistics.mean)
        self.register_buffer("data_std", torch.tensor(statistics.std))

    def forward(
        self, xt: Tensor, t: Tensor, condition: Any = None, random: Random | None = None
    ) -> Prediction:
        """Denoise `xt` at `t`: one per item, or (B, 1, …) where parts differ.

        With `random`, drop-out is on.
        """
        exact = self.schedule.at(t.double(), like=xt)
        at = Coefficients(*(curve.to(t.dtype) for curve in exact))
        s = self.data_std.to(xt.dtype)
        square = s**2
        variance = at.alpha**2 * square + at.sigma**2
        c_in = variance.rsqrt()
        centred = xt - at.alpha * self.data_mean
        level = level_of(exact.log_snr.reshape(t.shape).to(t.dtype), self.most_log_snr)
        output = self.network(centred * c_in, level, condition, random).to(xt.dtype)
        interpolation = None
        if self.learned_variance:
            output, place = output.chunk(2, dim=1)
            interpolation = (place + 1) / 2
        if self.preconditioning == "edm":
            c_skip = at.alpha * square / variance
            c_out = s * at.sigma * c_in
            output = self.data_mean + c_skip * centred + c_out * output
        doubt = None if self.uncertainty is None else self.uncertainty(level)
        return Prediction(output, self.target, xt, at, s, self.levels, interpolation, doubt)
