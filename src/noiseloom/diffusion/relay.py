"""Two denoisers of one walk: an expert takes over from the other where little noise is left.

The simplest ensemble of expert denoisers (Balaji et al. 2022, arXiv:2211.01324, section 4.1). Who
is asked depends on t alone, so that any sampler may walk with them, and remembers across.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.schedules import Schedule, expand
from noiseloom.diffusion.spacings import plan_times

NEARLY = 1e-3  # of the range of t: steps as short as this say nothing


@dataclass(frozen=True)
class Relay:
    """`expert` where t is at most `begins`, `base` above; both know the same schedule."""

    base: Denoise
    expert: Denoise
    begins: float

    def __call__(self, xt: Tensor, t: Tensor) -> Prediction:
        """What the one that knows t says; of items at times of both, each asked for all."""
        is_late = t <= self.begins
        if bool(is_late.all()):
            return self.expert(xt, t)
        early = self.base(xt, t)
        if not bool(is_late.any()):
            return early
        x0 = torch.where(expand(is_late, xt), self.expert(xt, t).x0, early.x0)
        return replace(early, output=x0, target="x0", interpolation=None, uncertainty=None)


def check_begins(begins: float, schedule: Schedule) -> None:
    """Raise ValueError where an expert that begins there has no part of the schedule's times."""
    if not schedule.t_min + NEARLY < begins <= schedule.t_max:
        raise ValueError(
            f"the expert begins at t {begins:g}; on the base's schedule allowed is above "
            f"{schedule.t_min + NEARLY:g}, up to {schedule.t_max:g}"
        )


def relayed_plan(plan: Tensor, begins: float, schedule: Schedule, steps: int | None) -> Tensor:
    """`plan` down to `begins`, and from there `steps` equal moves; None: the plan's own, below it.

    Raises ValueError as `check_begins`.
    """
    check_begins(begins, schedule)
    least = NEARLY * (schedule.t_max - schedule.t_min)
    start = torch.as_tensor(begins, dtype=plan.dtype)
    own = plan[plan < start - least] if steps is None else ending(begins, schedule, steps)[1:]
    return torch.cat([plan[plan > start + least], start[None], own])


def ending(begins: float, schedule: Schedule, steps: int) -> Tensor:
    """The times of `steps` equal moves from `begins` to the schedule's end."""
    share = (begins - schedule.t_min) / (schedule.t_max - schedule.t_min)
    return schedule.t_min + share * (plan_times(schedule, steps) - schedule.t_min)
