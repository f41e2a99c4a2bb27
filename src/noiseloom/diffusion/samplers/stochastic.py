"""Samplers that add fresh noise as they walk, along times."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.posterior import between, variances
from noiseloom.diffusion.samplers.deterministic import second_order
from noiseloom.diffusion.samplers.walking import (
    Step,
    Stop,
    ancestral_move,
    ask,
    fresh,
    moves,
    stops,
    weigh,
)
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random


def ddpm(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Ancestral sampling: x_s drawn from q(x_s | x_t, x0) (Ho et al. 2020, eq. 7).

    It is also the exponential Euler step of the reverse SDE, weakly of first order. A network that
    has learned the variance of a step has it drawn with that.
    """
    for index, (at, to) in enumerate(moves(plan, schedule, x)):
        said = ask(denoise, x, at)
        z = fresh(random, index, x, to)
        if z is not None and said.interpolation is not None:
            z = z * widening(said, schedule, to.t)
        x = ancestral_move(x, said.x0, z, at, to)
        yield Step(index, to.t, x, said.x0)


def widening(said: Prediction, schedule: Schedule, s: float) -> Tensor:
    """How much wider than least the network draws a step to time `s` (`posterior`, eq. 15)."""
    std = 1.0 if said.data_std is None else said.data_std
    both = variances(said.at, schedule.at(torch.tensor(s, dtype=torch.float64)), std)
    return (between(both, said.interpolation) / both.low).sqrt().to(said.xt)


def edm(
    denoise: Denoise,
    x: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
    *,
    churn: float = 40.0,
    churn_min: float = 0.05,
    churn_max: float = 50.0,
    churn_noise: float = 1.0,
) -> Iterator[Step]:
    """`heun` with noise added before each move (Karras et al. 2022, algorithm 2); second order.

    Their sigma is sigma / alpha here, for any alpha: where it lies within [churn_min, churn_max] it
    is raised by min(churn / steps, sqrt(2) - 1) of itself, at most to the schedule's own end.
    `churn_noise` above 1 makes up for detail that a network loses, and biases an exact one.
    """
    pairs = moves(plan, schedule, x)
    raised = _churned(pairs, schedule, x, churn, churn_min, churn_max)
    for index, ((at, to), up) in enumerate(zip(pairs, raised, strict=True)):
        if up.t > at.t:
            kept = up.alpha / at.alpha
            added = math.sqrt(max(0.0, up.sigma**2 - (kept * at.sigma) ** 2))
            z = random.at(index).normal_like("churn", x)
            x = weigh((kept, x), (churn_noise * added, z))
        x, x0 = second_order(denoise, x, up, to)
        yield Step(index, to.t, x, x0)


def _churned(
    pairs: list[tuple[Stop, Stop]],
    schedule: Schedule,
    x: Tensor,
    churn: float,
    churn_min: float,
    churn_max: float,
) -> list[Stop]:
    """The stop with more noise from which each move starts; its own where none is added."""
    gamma = min(churn / len(pairs), math.sqrt(2) - 1)
    up = []
    for at, _ in pairs:
        inside = churn_min <= math.exp(-at.half_log_snr) <= churn_max and gamma > 0
        up.append(at.half_log_snr - (math.log1p(gamma) if inside else 0.0))
    times = schedule.t_of_log_snr(2 * torch.tensor(up, dtype=torch.float64))
    own = torch.tensor([at.t for at, _ in pairs], dtype=torch.float64)
    moved = torch.tensor(
        [level < at.half_log_snr for level, (at, _) in zip(up, pairs, strict=True)]
    )
    return stops(torch.where(moved, times.clamp(max=schedule.t_max), own), schedule, x)


def predictor_corrector(
    denoise: Denoise,
    x: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
    *,
    corrector_steps: int = 1,
    snr: float = 0.16,
) -> Iterator[Step]:
    """`ddpm`'s move, then Langevin steps at its end (Song et al. 2021, algorithms 1, 4 and 5).

    arXiv:2011.13456. One network call a step and one for each Langevin step, whose size they take
    as 2 (snr |z| / |score|)² with norms meant over a batch. In many dimensions |z| / |score| is
    sigma, and sigma it is here: an item then depends on no other, in few dimensions too. First
    order; the Langevin steps leave a bias that falls with the noise.
    """
    pull = 2 * snr**2
    for index, (at, to) in enumerate(moves(plan, schedule, x)):
        x0 = ask(denoise, x, at).x0
        x = ancestral_move(x, x0, fresh(random, index, x, to), at, to)
        for again in range(corrector_steps if to.sigma > 0 else 0):
            x0 = ask(denoise, x, to).x0
            z = random.at(index).normal_like(f"corrector-{again}", x)
            # x + size score + sqrt(2 size) z, the score being (alpha x0 - x) / sigma²
            x = weigh((1 - pull, x), (pull * to.alpha, x0), (2 * snr * to.sigma, z))
        yield Step(index, to.t, x, x0)
