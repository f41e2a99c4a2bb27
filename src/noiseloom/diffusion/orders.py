"""How fast each sampler converges: what is stated of it, and what is measured.

An ODE sampler is of strong order p when its error for one start falls as steps^-p. One that adds
noise is of weak order p when the error of what it draws, as a distribution, does. An adaptive one
is told a tolerance, and its error is to fall as a power of that.

Nothing here is estimated from draws. On a Gaussian about 0 every sampler of the SDE is linear in
its start and its noises, so each of them is given a basis vector of its own, of mean square 1: the
mean square of what comes out then is the variance itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.samplers import SAMPLERS, Step, Tolerance
from noiseloom.diffusion.schedules import Cosine, Schedule
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Order:
    """What is stated of a sampler: as which power of 1 / steps, or of a tolerance, errors fall.

    `settings` are those it is measured with, its own where empty.
    """

    power: float
    of: Literal["steps", "tolerance"] = "steps"
    error: Literal["strong", "weak"] = "strong"
    settings: Mapping[str, float] = field(default_factory=dict)


ORDERS: dict[str, Order] = {
    "ddpm": Order(1, error="weak"),
    "ddim": Order(1),
    "euler": Order(1),
    "heun": Order(2),
    "dpm++2m": Order(2),
    "dpm++3m": Order(3),
    "dpm++2m-sde": Order(2, error="weak"),
    "dpm++3m-sde": Order(2, error="weak"),
    "unipc": Order(3),
    # with little churn, which no step's limit of it cuts off
    "edm": Order(2, error="weak", settings={"churn": 10.0}),
    # Langevin steps of a fixed size leave a bias of their own, so their order is that of small ones
    "predictor-corrector": Order(1, error="weak", settings={"snr": 0.01}),
    "adaptive": Order(1, of="tolerance"),
    # its error is of order 3/2 in the step, that of what it draws of order 2
    "adaptive-sde": Order(4 / 3, of="tolerance", error="weak"),
}

STEPS = (100, 200)
TOLERANCES = (1e-2, 1e-3)
FIRST_LOG_SNR = -12.0
# Where a strong error is read: amid what the data decides, as over the whole way the errors of a
# Gaussian cancel to higher orders. A weak one is read where almost no noise is left.
LAST_LOG_SNR = {"strong": 2.0, "weak": 8.0}


def measure_order(name: str, schedule: Schedule | None = None) -> float:
    """The power that the sampler `name` is measured to have, on a Gaussian of deviation 0.5."""
    order, schedule = ORDERS[name], schedule or Cosine()
    if order.of == "tolerance":
        plans = [Tolerance(relative=size, absolute=size) for size in TOLERANCES]
        ratio = TOLERANCES[0] / TOLERANCES[1]
        errors = [_error(name, schedule, plan) for plan in plans]
    else:
        last = LAST_LOG_SNR[order.error]
        ratio = STEPS[1] / STEPS[0]
        errors = [_error(name, schedule, even_log_snr(schedule, n, last)) for n in STEPS]
    return math.log(errors[0] / errors[1]) / math.log(ratio)


def even_log_snr(schedule: Schedule, num_steps: int, last: float) -> Tensor:
    """Times even in log-SNR from `FIRST_LOG_SNR` to `last`: with an end, no weight is infinite."""
    return schedule.t_of_log_snr(
        torch.linspace(FIRST_LOG_SNR, last, num_steps + 1, dtype=torch.float64)
    )


def _error(name: str, schedule: Schedule, plan: Tensor | Tolerance) -> float:
    start = plan[0] if isinstance(plan, Tensor) else _double(schedule.t_max)
    if ORDERS[name].error == "strong":
        data = Gaussian(0.3, 0.5, schedule)
        z = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(1)
        x = schedule.alpha(start) * data.mean + data.spread(start) * z
        last = _walk(name, data, x, plan, Random(0, range(len(x))))
        return float((last.x - data.path(x, start, _double(last.t))).abs().mean())
    data = Gaussian(0.0, 0.5, schedule)
    draws = 2 * (len(plan) if isinstance(plan, Tensor) else plan.most_moves)
    x = float(data.spread(start)) * _basis(2 ** draws.bit_length(), 0)
    last = _walk(name, data, x, plan, Orthogonal(0, [0]))
    variance = float(last.x.square().mean())
    return abs(math.sqrt(variance) - float(data.spread(_double(last.t))))


def _walk(name: str, data: Gaussian, x: Tensor, plan: Tensor | Tolerance, random: Random) -> Step:
    *_, last = SAMPLERS[name](data.denoise, x, plan, data.schedule, random, **ORDERS[name].settings)
    return last


def _double(t: float | Tensor) -> Tensor:
    return torch.as_tensor(t, dtype=torch.float64)


def _basis(size: int, index: int) -> Tensor:
    """One item: row `index` of the Hadamard matrix of side `size`, a power of 2; all 1 and -1."""
    bits = torch.arange(size) & index
    for shift in (16, 8, 4, 2, 1):  # the parity of the bits
        bits = bits ^ (bits >> shift)
    return (1.0 - 2.0 * (bits & 1)).double().unsqueeze(0)


@dataclass(frozen=True)
class Orthogonal(Random):
    """Noises for one item without any part in common: each purpose and step has a basis vector.

    Vector 0 is left for the start. Items have more numbers than noises are asked for.
    """

    places: dict[tuple[int, str], int] = field(default_factory=dict)

    def normal_like(self, purpose: str, x: Tensor) -> Tensor:
        """The basis vector that belongs to `purpose` at this step."""
        place = self.places.setdefault((self.step, purpose), len(self.places) + 1)
        return _basis(x.shape[1], place)
