"""How the times of a sampler are spaced between the ends of a schedule.

A spacing is a function (schedule, num_steps) -> num_steps + 1 times, float64, falling from t_max to
t_min. The ends are always the schedule's own: where one has no log-SNR (pure noise, or no noise),
the times between are spaced as if sigma / alpha went from `MOST_NOISE` to `LEAST_NOISE`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from noiseloom.diffusion.schedules import Schedule

LEAST_NOISE, MOST_NOISE = 0.002, 80.0  # sigma / alpha (Karras et al. 2022, table 1)
RHO = 7.0  # the same table's

Spacing = Callable[[Schedule, int], Tensor]


def uniform(schedule: Schedule, num_steps: int) -> Tensor:
    """Evenly in t."""
    return _between(schedule, _falling(num_steps))


def quadratic(schedule: Schedule, num_steps: int) -> Tensor:
    """t as the square of what falls evenly (Song et al. 2021, arXiv:2010.02502, appendix D.2)."""
    return _between(schedule, _falling(num_steps) ** 2)


def karras(schedule: Schedule, num_steps: int) -> Tensor:
    """The `RHO`-th root of sigma / alpha evenly (Karras et al. 2022, arXiv:2206.00364, eq. 5)."""
    least, most = (math.exp(level) ** (1 / RHO) for level in _noise_levels(schedule))
    root = least + _falling(num_steps) * (most - least)
    return _at_noise(schedule, RHO * root.log())


def log_snr(schedule: Schedule, num_steps: int) -> Tensor:
    """The log-SNR evenly (Lu et al. 2022, arXiv:2206.00927, section 3.4)."""
    least, most = _noise_levels(schedule)
    return _at_noise(schedule, least + _falling(num_steps) * (most - least))


def plan_times(schedule: Schedule, num_steps: int, *, shift: float = 1.0) -> Tensor:
    """`num_steps + 1` times from t_max to t_min, equally spaced unless shifted.

    `shift` s moves u to s u / (1 + (s - 1) u): above 1 more times are noisy (Esser et al. 2024,
    arXiv:2403.03206, eq. 23). Raises ValueError below one step.
    """
    u = _falling(num_steps)
    return _between(schedule, shift * u / (1 + (shift - 1) * u))


def _falling(num_steps: int) -> Tensor:
    """`num_steps + 1` numbers evenly from 1 to 0; ValueError below one step."""
    if num_steps < 1:
        raise ValueError(f"{num_steps} steps are asked for; a sampler needs at least 1")
    return torch.linspace(1, 0, num_steps + 1, dtype=torch.float64)


def _between(schedule: Schedule, u: Tensor) -> Tensor:
    return schedule.t_min + u * (schedule.t_max - schedule.t_min)


def _noise_levels(schedule: Schedule) -> tuple[float, float]:
    """log(sigma / alpha) at t_min and t_max, where they have none those of the constants."""
    ends = torch.tensor([schedule.t_min, schedule.t_max], dtype=torch.float64)
    least, most = (-0.5 * schedule.log_snr(ends)).tolist()
    return max(least, math.log(LEAST_NOISE)), min(most, math.log(MOST_NOISE))


def _at_noise(schedule: Schedule, level: Tensor) -> Tensor:
    """The times at which log(sigma / alpha) is `level`, with the schedule's own ends."""
    times = schedule.t_of_log_snr(-2 * level)
    times[0], times[-1] = schedule.t_max, schedule.t_min
    return times


SPACINGS: dict[str, Spacing] = {
    "uniform": uniform,
    "quadratic": quadratic,
    "karras": karras,
    "log-snr": log_snr,
}
