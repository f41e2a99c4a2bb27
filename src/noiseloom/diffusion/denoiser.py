"""A network with its preconditioning, and the one answer it gives: a `Prediction`.

Preconditioning follows Karras et al. 2022 (arXiv:2206.00364, section 5), with the formulas carried
over to any alpha:
    c_in   = 1 / sqrt(alpha² s² + sigma²)             the network's input has unit variance
    c_skip = alpha s² / (alpha² s² + sigma²)          s = the data's standard deviation
    c_out  = s sigma / sqrt(alpha² s² + sigma²)       so F = 0 is exact for data ~ N(0, s²)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from torch import Tensor, nn

from noiseloom.diffusion.process import READ, SOLVE, Target, check_pairing
from noiseloom.diffusion.schedules import Coefficients, Schedule
from noiseloom.seeds import Random

Preconditioning = Literal["input", "edm"]


@dataclass(frozen=True)
class Prediction:
    """What a denoiser says at (xt, t): x0, noise, velocity, v and score, whatever was predicted.

    `output` is the network's answer in terms of `target`; all tensors have xt's shape.
    """

    output: Tensor
    target: Target
    xt: Tensor
    at: Coefficients

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


class Denoiser(nn.Module):
    """`network(x, t, condition, random)` made into a denoiser for one schedule and one target.

    Raises ValueError where the target cannot be learned on the schedule.
    """

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        *,
        target: Target,
        preconditioning: Preconditioning = "input",
        data_std: float = 0.5,
    ) -> None:
        super().__init__()
        check_pairing(target, schedule)
        if preconditioning == "edm" and target != "x0":
            raise ValueError(
                f"preconditioning 'edm' makes the network's output into x0, but the target is "
                f"'{target}'; use target x0 or preconditioning 'input'"
            )
        self.network = network
        self.schedule = schedule
        self.target: Target = target
        self.preconditioning = preconditioning
        self.data_std = data_std

    def forward(
        self, xt: Tensor, t: Tensor, condition: Any = None, random: Random | None = None
    ) -> Prediction:
        """Denoise `xt` at `t` (one per item, or xt's axes). With `random`, drop-out is on."""
        at = self.schedule.at(t, like=xt)
        power = at.alpha**2 * self.data_std**2 + at.sigma**2
        output = self.network(xt * power.rsqrt(), t, condition, random).to(xt.dtype)
        if self.preconditioning == "edm":
            c_skip = at.alpha * self.data_std**2 / power
            c_out = self.data_std * at.sigma * power.rsqrt()
            output = c_skip * xt + c_out * output
        return Prediction(output, self.target, xt, at)
