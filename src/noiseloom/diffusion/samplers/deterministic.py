"""Samplers that follow the probability-flow ODE along times: one answer for one start."""

from collections.abc import Iterator

from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.samplers.walking import Step, Stop, ask, move, moves, weigh
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random


def ddim(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Deterministic, first order (Song et al. 2021, arXiv:2010.02502, eq. 12 with sigma = 0)."""
    for index, (at, to) in enumerate(moves(plan, schedule, x, either_way=True)):
        x0 = ask(denoise, x, at).x0
        x = move(x, x0, at, to)
        yield Step(index, to.t, x, x0)


def euler(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """First order in t on the probability-flow velocity; `ddim` where alpha, sigma are linear.

    The velocity alpha' x0 + sigma' noise is written with noise = (x - alpha x0) / sigma.
    """
    for index, (at, to) in enumerate(moves(plan, schedule, x, either_way=True)):
        x0 = ask(denoise, x, at).x0
        growth = at.d_sigma / at.sigma
        step = to.t - at.t
        x = weigh((1 + step * growth, x), (step * (at.d_alpha - at.alpha * growth), x0))
        yield Step(index, to.t, x, x0)


def heun(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Second order (Karras et al. 2022, arXiv:2206.00364, algorithm 1, without churn).

    Two network calls a step, one where the step ends without noise. The trapezoidal rule is taken
    over alpha and sigma themselves, so the path does not depend on how t is spaced.
    """
    for index, (at, to) in enumerate(moves(plan, schedule, x, either_way=True)):
        x, x0 = second_order(denoise, x, at, to)
        yield Step(index, to.t, x, x0)


def second_order(denoise: Denoise, x: Tensor, at: Stop, to: Stop) -> tuple[Tensor, Tensor]:
    """Heun's move from `at` to `to`: where it ends, and the clean data expected there.

    With (a, n) the clean data and noise at the start, (b, m) those at the end of `ddim`'s move y,
    the move is x + (alpha_s - alpha_t) (a + b) / 2 + (sigma_s - sigma_t) (n + m) / 2, where
    n = (x - alpha_t a) / sigma_t and m = n + alpha_s / sigma_s (a - b).
    """
    a = ask(denoise, x, at).x0
    y = move(x, a, at, to)
    if to.sigma == 0:
        return y, a
    b = ask(denoise, y, to).x0
    half = 0.5 * (to.alpha - at.alpha)
    d_sigma = to.sigma - at.sigma
    turn = 0.5 * d_sigma * to.alpha / to.sigma
    end = weigh(
        (to.sigma / at.sigma, x),
        (half + turn - d_sigma * at.alpha / at.sigma, a),
        (half - turn, b),
    )
    if to.alpha == 0:  # a rising plan's end: nothing of the clean data is left to be read off
        return end, b
    return end, weigh((1 / to.alpha, end), (-1 / to.alpha, y), (1.0, b))
