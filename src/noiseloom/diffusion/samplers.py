"""Samplers: generator functions that walk from noise to data, one `Step` at a time.

`plan` holds the times, float64, falling from t_max to t_min; the clean data is the last step's
`x0`. The primitive move keeps (x0, noise) and changes the time: x_s = alpha_s x0 + sigma_s noise,
which is finite for every schedule. Local variables are the only state: previews, progress and
cancelling are for whoever consumes the generator.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.posterior import between, variances
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Step:
    """Where a sampler stands after a move: `x` at time `t`, and the clean data it now expects."""

    index: int
    t: float
    x: Tensor
    x0: Tensor


Sampler = Callable[[Denoise, Tensor, Tensor, Schedule, Random], Iterator[Step]]


def plan_times(schedule: Schedule, num_steps: int, *, shift: float = 1.0) -> Tensor:
    """`num_steps + 1` times from t_max to t_min, equally spaced unless shifted.

    `shift` s moves u to s u / (1 + (s - 1) u): above 1 more times are noisy (Esser et al. 2024,
    arXiv:2403.03206, eq. 23). Raises ValueError below one step.
    """
    if num_steps < 1:
        raise ValueError(f"{num_steps} steps are asked for; a sampler needs at least 1")
    u = torch.linspace(1, 0, num_steps + 1, dtype=torch.float64)
    u = shift * u / (1 + (shift - 1) * u)
    return schedule.t_min + u * (schedule.t_max - schedule.t_min)


def ddim(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Deterministic, first order (Song et al. 2021, arXiv:2010.02502, eq. 12 with sigma = 0)."""
    for index, (t, s) in enumerate(_pairs(plan)):
        prediction = _ask(denoise, x, t)
        x = _move(prediction, s, schedule)
        yield Step(index, float(s), x, prediction.x0)


def ddpm(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Ancestral sampling: x_s drawn from q(x_s | x_t, x0) (Ho et al. 2020, eq. 7).

    In terms of the noise that posterior is x_s = alpha_s x0 + sigma_s (sqrt(r) noise + sqrt(1-r) z)
    with r = SNR(t) / SNR(s) and z fresh, for any schedule; a network that has learned the variance
    of a step has it drawn with that (`posterior`).
    """
    for index, (t, s) in enumerate(_pairs(plan)):
        prediction = _ask(denoise, x, t)
        at, to = schedule.at(t), schedule.at(s)
        r = float((at.alpha * to.sigma / (to.alpha * at.sigma)) ** 2)
        z = random.at(index).normal_like("ancestral", x)
        std = 1.0 if prediction.data_std is None else float(prediction.data_std)
        variance = between(variances(at, to, std), prediction.interpolation)
        mean = float(to.alpha) * prediction.x0 + float(to.sigma) * math.sqrt(r) * prediction.noise
        x = mean + variance.sqrt().to(x) * z
        yield Step(index, float(s), x, prediction.x0)


def euler(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """First order in t on the probability-flow velocity; `ddim` where alpha, sigma are linear."""
    for index, (t, s) in enumerate(_pairs(plan)):
        prediction = _ask(denoise, x, t)
        x = x + float(s - t) * prediction.velocity
        yield Step(index, float(s), x, prediction.x0)


def heun(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Second order (Karras et al. 2022, arXiv:2206.00364, algorithm 1, without churn).

    Two network calls a step, one where the step ends without noise. The trapezoidal rule is taken
    over alpha and sigma themselves, so the path does not depend on how t is spaced.
    """
    for index, (t, s) in enumerate(_pairs(plan)):
        first = _ask(denoise, x, t)
        x_s, x0 = _move(first, s, schedule), first.x0
        to = schedule.at(s)
        if float(to.sigma) > 0:
            second = _ask(denoise, x_s, s)
            at = schedule.at(t)
            mean_x0 = 0.5 * (first.x0 + second.x0)
            noise = 0.5 * (first.noise + second.noise)
            x_s = x + float(to.alpha - at.alpha) * mean_x0 + float(to.sigma - at.sigma) * noise
            x0 = (x_s - float(to.sigma) * second.noise) / float(to.alpha)
        x = x_s
        yield Step(index, float(s), x, x0)


def dpm_2m(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """DPM-Solver++(2M), second order (Lu et al. 2022, arXiv:2211.01095, algorithm 2).

    One network call a step: x0 is extrapolated along the log-SNR from the step before. The first
    step, and one that ends without noise, where that line has no end, are `ddim`'s.
    """
    before: tuple[Tensor, float] | None = None  # x0 and log-SNR of the step before
    for index, (t, s) in enumerate(_pairs(plan)):
        x0 = ahead = _ask(denoise, x, t).x0
        at, to, log_snr = schedule.at(t), schedule.at(s), float(schedule.log_snr(t))
        if before is not None and float(to.sigma) > 0:
            old_x0, old_log_snr = before
            share = (float(schedule.log_snr(s)) - log_snr) / (2 * (log_snr - old_log_snr))
            ahead = x0 + share * (x0 - old_x0)
        before = x0, log_snr
        noise = (x - float(at.alpha) * ahead) / float(at.sigma)
        x = float(to.alpha) * ahead + float(to.sigma) * noise
        yield Step(index, float(s), x, x0)


def _pairs(plan: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return itertools.pairwise(plan)


def _ask(denoise: Denoise, x: Tensor, t: Tensor) -> Prediction:
    with torch.no_grad():
        return denoise(x, t.to(device=x.device, dtype=x.dtype).expand(len(x)))


def _move(prediction: Prediction, s: Tensor, schedule: Schedule) -> Tensor:
    to = schedule.at(s)
    return float(to.alpha) * prediction.x0 + float(to.sigma) * prediction.noise


SAMPLERS: dict[str, Sampler] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "euler": euler,
    "heun": heun,
    "dpm++2m": dpm_2m,
}
