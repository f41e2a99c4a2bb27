"""The forward process, and how x0, noise, velocity, v and score turn into one another.

With xt = alpha x0 + sigma noise, each target together with xt fixes (x0, noise); from that pair
every other quantity follows:
    velocity = alpha' x0 + sigma' noise
    v        = alpha noise - sigma x0                  (Salimans & Ho, arXiv:2202.00512)
    score    = -noise / sigma                          (= (alpha x0 - xt) / sigma²)
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from noiseloom.diffusion.schedules import Coefficients, Schedule

Target = Literal["x0", "noise", "velocity", "v", "score"]


def add_noise(schedule: Schedule, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The forward process: `x0` noised to time `t`; shapes as `x0`."""
    c = schedule.at(t, like=x0)
    return c.alpha * x0 + c.sigma * noise


# Each answers (x0, noise) from what the network said, xt and the coefficients at t.
def _from_x0(x0: Tensor, xt: Tensor, c: Coefficients) -> tuple[Tensor, Tensor]:
    return x0, (xt - c.alpha * x0) / c.sigma


def _from_noise(noise: Tensor, xt: Tensor, c: Coefficients) -> tuple[Tensor, Tensor]:
    return (xt - c.sigma * noise) / c.alpha, noise


def _from_velocity(velocity: Tensor, xt: Tensor, c: Coefficients) -> tuple[Tensor, Tensor]:
    determinant = c.alpha * c.d_sigma - c.d_alpha * c.sigma
    x0 = (c.d_sigma * xt - c.sigma * velocity) / determinant
    return x0, (c.alpha * velocity - c.d_alpha * xt) / determinant


def _from_v(v: Tensor, xt: Tensor, c: Coefficients) -> tuple[Tensor, Tensor]:
    square = c.alpha**2 + c.sigma**2  # 1 only for variance-preserving schedules
    return (c.alpha * xt - c.sigma * v) / square, (c.sigma * xt + c.alpha * v) / square


def _from_score(score: Tensor, xt: Tensor, c: Coefficients) -> tuple[Tensor, Tensor]:
    return _from_noise(-c.sigma * score, xt, c)


SOLVE: dict[Target, Callable[[Tensor, Tensor, Coefficients], tuple[Tensor, Tensor]]] = {
    "x0": _from_x0,
    "noise": _from_noise,
    "velocity": _from_velocity,
    "v": _from_v,
    "score": _from_score,
}

# Each reads a target off the pair (x0, noise).
READ: dict[Target, Callable[[Tensor, Tensor, Coefficients], Tensor]] = {
    "x0": lambda x0, noise, c: x0,
    "noise": lambda x0, noise, c: noise,
    "velocity": lambda x0, noise, c: c.d_alpha * x0 + c.d_sigma * noise,
    "v": lambda x0, noise, c: c.alpha * noise - c.sigma * x0,
    "score": lambda x0, noise, c: -noise / c.sigma,
}


def check_pairing(target: Target, schedule: Schedule) -> None:
    """Raise ValueError where `target` says nothing of x0 at the noisy end of `schedule`."""
    if target in ("noise", "score") and schedule.reaches_pure_noise:
        raise ValueError(
            f"target '{target}' does not fit a schedule that reaches pure noise (alpha = 0), where "
            "x0 cannot be recovered from it. Use target x0, velocity or v, or clip the schedule "
            "(`schedule: {name: rectified-flow, clip: 0.001}`)"
        )
