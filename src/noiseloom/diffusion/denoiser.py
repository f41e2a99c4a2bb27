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

from noiseloom.diffusion.process import READ, SOLVE, Target, check_pairing
from noiseloom.diffusion.schedules import Coefficients, Schedule
from noiseloom.seeds import Random

Preconditioning = Literal["input", "edm"]

MOST_LOG_SNR = 8.0  # of either sign that a network is told: beyond it nothing changes
CLEAN_LEVEL = -MOST_LOG_SNR / 8  # what a network is told of data without noise


@dataclass(frozen=True)
class Prediction:
    """What a denoiser says at (xt, t): x0, noise, velocity, v and score, whatever was predicted.

    `output` is the network's answer in terms of `target`; all tensors have xt's shape. `data_std`
    is the spread of the data that a `Denoiser` knows, a scalar.
    """

    output: Tensor
    target: Target
    xt: Tensor
    at: Coefficients
    data_std: Tensor | None = None

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


def noise_level(schedule: Schedule, t: Tensor) -> Tensor:
    """What a network is told of the noise at `t`: -log-SNR / 8, at most 1 of either sign."""
    return level_of(schedule.log_snr(t))


def level_of(log_snr: Tensor) -> Tensor:
    """What a network is told where the log-SNR is `log_snr`."""
    return -log_snr.clamp(-MOST_LOG_SNR, MOST_LOG_SNR) / 8


def check_preconditioning(preconditioning: Preconditioning, target: Target) -> None:
    """Raise ValueError where the target is not what the preconditioning answers."""
    if preconditioning == "edm" and target != "x0":
        raise ValueError(
            f"preconditioning 'edm' makes the network's output into x0, but the target is "
            f"'{target}'; use target x0 or preconditioning 'input'"
        )


class Denoiser(nn.Module):
    """`network(x, level, condition, random)` made into a denoiser for one schedule and one target.

    Raises ValueError where the target cannot be learned on the schedule.
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
    ) -> None:
        super().__init__()
        check_pairing(target, schedule)
        check_preconditioning(preconditioning, target)
        self.network = network
        self.schedule = schedule
        self.target: Target = target
        self.preconditioning = preconditioning
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
        level = level_of(exact.log_snr.reshape(t.shape).to(t.dtype))
        output = self.network(centred * c_in, level, condition, random).to(xt.dtype)
        if self.preconditioning == "edm":
            c_skip = at.alpha * square / variance
            c_out = s * at.sigma * c_in
            output = self.data_mean + c_skip * centred + c_out * output
        return Prediction(output, self.target, xt, at, s)
