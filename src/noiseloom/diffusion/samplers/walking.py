"""What every sampler is made of: steps, plans, and the stops of a plan with their numbers.

All that a sampler reads off the schedule is read once, before its loop, as plain numbers. A move
from one stop to the next is a sum of xt and of expected clean data, with weights that are finite at
both ends: at pure noise (alpha = 0) and where no noise is left (sigma = 0).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Step:
    """Where a sampler stands after a move: `x` at time `t`, and the clean data it now expects."""

    index: int
    t: float
    x: Tensor
    x0: Tensor


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """The plan of an adaptive sampler: how large the error of one move may be.

    An error of each number up to `absolute + relative |number|` is allowed (for the SDE the larger
    of the two). The walk ends where the noise left, sigma / alpha, is `absolute`.
    """

    relative: float = option(0.01, "allowed error of a move, as a share of the number")
    absolute: float = option(0.005, "allowed error of a move, in units of the data")
    most_moves: int = option(1000, "moves, tried ones included, after which sampling gives up")

    def __post_init__(self) -> None:
        for name in ("relative", "absolute"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"the {name} tolerance is {getattr(self, name)}; allowed is between 0 and 1, "
                    "such as 0.01"
                )
        if self.most_moves < 1:
            raise ValueError(f"most_moves is {self.most_moves}; allowed is 1 or more")


Sampler = Callable[..., Iterator[Step]]
"""(denoise, x, plan, schedule, random, *, settings of its own) -> Iterator[Step].

`plan` is annotated `Tensor` (times, float64, falling) or `Tolerance`, whichever it takes.
"""


class Stop(NamedTuple):
    """A time and what the schedule says there, as numbers; `times` is `t` for each item, (B,)."""

    t: float
    alpha: float
    sigma: float
    d_alpha: float
    d_sigma: float
    half_log_snr: float
    times: Tensor


def stops(times: Tensor | Sequence[float], schedule: Schedule, x: Tensor) -> list[Stop]:
    """The stops at `times` for a batch `x`."""
    t = torch.as_tensor(times, dtype=torch.float64).cpu()
    curves = [curve.tolist() for curve in schedule.at(t)]
    half_log_snr = (0.5 * schedule.log_snr(t)).tolist()
    each = t.to(x).unsqueeze(1).expand(-1, len(x)).unbind(0)
    return list(map(Stop._make, zip(t.tolist(), *curves, half_log_snr, each, strict=True)))


def moves(
    plan: Tensor, schedule: Schedule, x: Tensor, *, either_way: bool = False
) -> list[tuple[Stop, Stop]]:
    """From which stop to which each move of `plan` goes.

    Raises ValueError where the plan is no falling row of at least two times; with `either_way` it
    may rise instead, for samplers that also walk from data to noise.
    """
    if not isinstance(plan, Tensor):
        raise ValueError(
            f"this sampler walks along times and was given {plan!r}; allowed is a float64 tensor "
            "of falling times, such as plan_times(schedule, 10). A tolerance is for the adaptive "
            "samplers"
        )
    falls = plan.ndim == 1 and len(plan) > 1 and bool((plan.diff() < 0).all())
    rises = either_way and plan.ndim == 1 and len(plan) > 1 and bool((plan.diff() > 0).all())
    if not (falls or rises):
        raise ValueError(
            f"the plan is {plan.tolist()}; allowed is at least two times, each below the one before"
        )
    return list(itertools.pairwise(stops(plan, schedule, x)))


def ask(denoise: Denoise, x: Tensor, at: Stop) -> Prediction:
    """Call the denoiser on `x` at a stop."""
    with torch.no_grad():
        return denoise(x, at.times)


def weigh(*terms: tuple[float, Tensor]) -> Tensor:
    """The sum of tensors, each times its number, in one new tensor."""
    (weight, first), *others = terms
    total = first * weight
    for weight, term in others:
        total.add_(term, alpha=weight)
    return total


def move(x: Tensor, x0: Tensor, at: Stop, to: Stop) -> Tensor:
    """The primitive move x_s = alpha_s x0 + sigma_s noise, with the noise that `x0` leaves in x."""
    kept = to.sigma / at.sigma
    return weigh((kept, x), (to.alpha - at.alpha * kept, x0))


def ancestral_move(x: Tensor, x0: Tensor, z: Tensor | None, at: Stop, to: Stop) -> Tensor:
    """x_s drawn from q(x_s | x_t, x0) with the fresh noise `z` (Ho et al. 2020, eq. 7).

    In terms of the noise that posterior is x_s = alpha_s x0 + sigma_s (sqrt(r) noise + sqrt(1-r) z)
    with r = SNR(t) / SNR(s), for any schedule. `z` may be None where sigma_s is 0.
    """
    gain = to.half_log_snr - at.half_log_snr
    kept = math.exp(-gain) * to.sigma / at.sigma
    terms = [(kept, x), (to.alpha - at.alpha * kept, x0)]
    if z is not None:
        terms.append((to.sigma * math.sqrt(-math.expm1(-2 * gain)), z))
    return weigh(*terms)


def fresh(random: Random, index: int, x: Tensor, to: Stop) -> Tensor | None:
    """New noise for move `index`, None where no noise is left at its end."""
    return random.at(index).normal_like("ancestral", x) if to.sigma > 0 else None
