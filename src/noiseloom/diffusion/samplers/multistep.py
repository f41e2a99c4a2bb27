"""Samplers that remember: x0 is extrapolated along half the log-SNR from the stops before.

With lambda = log(alpha / sigma), h its gain from t to s, and x0(u) the clean data expected at
lambda_t + u, both equations have an exact answer (Lu et al. 2022, arXiv:2211.01095, eqs. 8 and 14):
    ODE  x_s = sigma_s/sigma_t x + alpha_s ∫ e^-(h-u) x0(u) du                            rate 1
    SDE  x_s = sigma_s/sigma_t e^-h x + alpha_s ∫ 2 e^-2(h-u) x0(u) du + sigma_s sqrt(1 - e^-2h) z
                                                                                          rate 2
A polynomial through the x0 that are known stands for x0(u), so the integral is a weighted sum. A
stop at pure noise, where lambda has no end, is no point of that polynomial, and a move that ends
without noise takes the newest x0 alone.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.samplers.walking import Step, Stop, ask, fresh, moves, weigh
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random

Known = list[tuple[float, Tensor]]
"""Half the log-SNR and x0 at the stops before, the newest first."""


def dpm_2m(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """DPM-Solver++(2M), second order (Lu et al. 2022, arXiv:2211.01095, algorithm 2)."""
    yield from _remember(denoise, x, plan, schedule, None, order=2)


def dpm_3m(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """DPM-Solver++(3M), third order.

    The second difference has its full weight here. The released programs give it half of that,
    which makes theirs of second order.
    """
    yield from _remember(denoise, x, plan, schedule, None, order=3)


def dpm_2m_sde(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """SDE-DPM-Solver++(2M), weakly of second order (Lu et al. 2022, appendix)."""
    yield from _remember(denoise, x, plan, schedule, random, order=2)


def dpm_3m_sde(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """The SDE along three known x0; weakly of second order, with a smaller error than 2M."""
    yield from _remember(denoise, x, plan, schedule, random, order=3)


def _remember(
    denoise: Denoise,
    x: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random | None,
    *,
    order: int,
) -> Iterator[Step]:
    """The multistep walk: of the ODE, or with `random` of the SDE. One network call a step."""
    known: Known = []
    for index, (at, to) in enumerate(moves(plan, schedule, x)):
        x0 = ask(denoise, x, at).x0
        known = _with_newest(known, at, x0, order)
        z = None if random is None else fresh(random, index, x, to)
        x = _extrapolate(x, known, at, to, z, rate=1 if random is None else 2)
        yield Step(index, to.t, x, x0)


def unipc(
    denoise: Denoise,
    x: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
    *,
    order: int = 2,
) -> Iterator[Step]:
    """UniPC with B(h) = e^h - 1 (Zhao et al. 2023, arXiv:2302.04867, algorithms 5 and 6).

    The predictor of order p is the multistep one. Once x0 at its end is known, the move is made
    again with that point too, which makes it of order p + 1, at one network call a step. Raises
    ValueError for an order outside 1 to 3.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"unipc's order is {order}; allowed are 1, 2 and 3")
    known: Known = []
    start, before = x, None  # of the move before: where it started, and the stop there
    for index, (at, to) in enumerate(moves(plan, schedule, x)):
        x0 = ask(denoise, x, at).x0
        if before is not None and math.isfinite(before.half_log_snr):
            x = _extrapolate(start, known, before, at, None, rate=1, end=x0)
        known = _with_newest(known, at, x0, order)
        start, before = x, at
        x = _extrapolate(x, known, at, to, None, rate=1)
        yield Step(index, to.t, x, x0)


def _with_newest(known: Known, at: Stop, x0: Tensor, order: int) -> Known:
    """The last `order` points, the newest first, without one at pure noise behind it."""
    older = [point for point in known if math.isfinite(point[0])]
    return [(at.half_log_snr, x0), *older][:order]


def _extrapolate(
    x: Tensor,
    known: Known,
    at: Stop,
    to: Stop,
    z: Tensor | None,
    *,
    rate: int,
    end: Tensor | None = None,
) -> Tensor:
    """Move along the polynomial through `known` and, where given, through x0 `end` at `to`."""
    h = to.half_log_snr - at.half_log_snr
    if math.isinf(h):
        known = known[:1]
    points = [x0 for _, x0 in known]
    places = [(half_log_snr - at.half_log_snr) / h for half_log_snr, _ in known[1:]]
    if end is not None:
        points.append(end)
        places.append(1.0)
    kept = to.sigma / at.sigma * (1.0 if rate == 1 else math.exp(-h))
    weights = integral_weights(rate * h, places)
    terms = [(kept, x)]
    terms += [(to.alpha * weight, x0) for weight, x0 in zip(weights, points, strict=True)]
    if z is not None:
        terms.append((to.sigma * math.sqrt(-math.expm1(-2 * h)), z))
    return weigh(*terms)


def integral_weights(z: float, places: Sequence[float]) -> list[float]:
    """Weights of the values at 0 and `places` in ∫_0^1 z e^-z(1-v) p(v) dv, p through all of them.

    With one place the midpoint's slope is used, as the papers do: exact weights are no better at
    second order. Otherwise the weights are exact: sum_j w_j v_j^k is the integral J_k of v^k, with
    J_0 = 1 - e^-z and J_k = 1 - k J_(k-1) / z.
    """
    whole = -math.expm1(-z)
    if not places:
        return [whole]
    if len(places) == 1:
        slope = 0.5 * whole / places[0]
        return [whole - slope, slope]
    moments = [whole]
    for power in range(1, len(places) + 1):
        moments.append(1 - power * moments[-1] / z)
    nodes = np.array([0.0, *places])
    powers = nodes ** np.arange(len(nodes))[:, None]
    return np.linalg.solve(powers, np.array(moments)).tolist()
