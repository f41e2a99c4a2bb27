"""Editing with a trained denoiser and no further training: generators of steps, as samplers are.

    inpaint      parts of an item are kept, the rest is made to fit (RePaint, Lugmayr et al. 2022,
                 arXiv:2201.09865, algorithm 1)
    vary         an item is noised part of the way and denoised (SDEdit, Meng et al. 2021,
                 arXiv:2108.01073, algorithm 1)
    encode       the noise from which the probability-flow ODE makes an item (DDIM inversion, Song
                 et al. 2021, arXiv:2010.02502, section 4.3); any sampler of that ODE decodes it
    slerp        between two noises, along the sphere on which noise lies
    consistent   a denoiser whose x0 has given block averages, for super-resolution (range-null
                 space, Wang et al. 2022, arXiv:2212.00490, eq. 11 with A the block average)

A sampler is handed in where one walks, with the plan it would have from noise to data. Items are as
the model sees them, (B, …).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.samplers import Sampler, Step
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random

INVERTIBLE = ("ddim", "euler", "heun")
"""Samplers of the probability-flow ODE that also walk a rising plan, from data to noise."""

RESAMPLING = ("ddpm", "ddim", "euler", "heun", "predictor-corrector")
"""Samplers whose every move stands alone, so that `resample` may take it back."""

STILL_LOG_SNR = 2 * math.log(255)  # the noise there is half a step of 8 bits: encoding starts here


def inpaint(
    sampler: Sampler,
    denoise: Denoise,
    known: Tensor,
    is_missing: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
    *,
    jump: int = 5,
    resamplings: int = 10,
) -> Iterator[Step]:
    """`known` (B, …) where `is_missing` (broadcastable, bool) is false, made to fit elsewhere.

    Each `jump` moves are made `resamplings` times, noise being added back between; a sampler that
    adds noise of its own ("ddpm") fits best. The last step's x0 holds the known parts exactly.
    """
    noise = random.normal_like("start", known)
    x = torch.where(
        is_missing,
        float(schedule.sigma(plan[0])) * noise,
        add_noise(schedule, known, noise, plan[0].to(known.dtype)),
    )

    def mend(step: Step, own: Random) -> Step:
        noise = own.normal_like("known", known)
        truth = add_noise(schedule, known, noise, torch.tensor(step.t, dtype=known.dtype))
        x = torch.where(is_missing, step.x, truth)
        return replace(step, x=x, x0=torch.where(is_missing, step.x0, known))

    return resample(
        sampler, denoise, x, plan, schedule, random, jump=jump, times=resamplings, mend=mend
    )


def resample(
    sampler: Sampler,
    denoise: Denoise,
    x: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
    *,
    jump: int,
    times: int,
    mend: Callable[[Step, Random], Step] = lambda step, random: step,
) -> Iterator[Step]:
    """A sampler's walk in which each `jump` moves are made `times`, with noise added back between.

    `mend` is done to each move's step, with random numbers of its own.
    """
    path = resampling_path(len(plan) - 1, jump, times)
    for index, (here, there) in enumerate(itertools.pairwise(path)):
        own = random.under(f"move-{index}")
        if there < here:
            x = _noised_back(x, plan[here], plan[there], schedule, own.normal_like("back", x))
            continue
        *_, step = sampler(denoise, x, plan[here : there + 1], schedule, own)
        step = mend(replace(step, index=index), own)
        x = step.x
        yield step


def resampling_path(num_steps: int, jump: int, resamplings: int) -> list[int]:
    """The places in a plan that `resample` visits, from 0 to `num_steps`.

    It costs about `num_steps` times `resamplings` moves. Raises ValueError for what cannot be.
    """
    if jump < 1 or resamplings < 1:
        raise ValueError(
            f"jump {jump} and resamplings {resamplings} are given; allowed is 1 or more of each"
        )
    jump = min(jump, num_steps)
    left = dict.fromkeys(range(num_steps, jump - 1, -jump), resamplings - 1)
    path = [0]
    while (here := path[-1]) < num_steps or left.get(here):
        if left.get(here):
            left[here] -= 1
            path.append(here - jump)
        else:
            path.append(here + 1)
    return path


def _noised_back(x: Tensor, s: Tensor, t: Tensor, schedule: Schedule, z: Tensor) -> Tensor:
    """`x` at time s as the forward process has it at the noisier t: q(x_t | x_s)."""
    at, to = schedule.at(s), schedule.at(t)
    kept = float(to.alpha / at.alpha)
    added = float(to.sigma) ** 2 - (kept * float(at.sigma)) ** 2
    return kept * x + math.sqrt(max(0.0, added)) * z


def vary(
    sampler: Sampler,
    denoise: Denoise,
    x0: Tensor,
    strength: float,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
) -> Iterator[Step]:
    """`x0` noised up to the share `strength` of the schedule's times, and denoised from there.

    Raises ValueError for a strength outside (0, 1]; 1 forgets `x0`, as far as the noise does.
    """
    plan = varying_plan(plan, strength, schedule)
    x = add_noise(schedule, x0, random.normal_like("start", x0), plan[0].to(x0.dtype))
    return sampler(denoise, x, plan, schedule, random)


def varying_plan(plan: Tensor, strength: float, schedule: Schedule) -> Tensor:
    """The part of `plan` that `vary` walks; it raises what that does."""
    if not 0 < strength <= 1:
        raise ValueError(
            f"strength is {strength:g}; allowed is above 0, which keeps the picture, to 1, which "
            "forgets it"
        )
    start = torch.as_tensor(schedule.t_min + strength * (schedule.t_max - schedule.t_min)).to(plan)
    return torch.cat([start[None], plan[plan < start]])


def encoding_plan(plan: Tensor, schedule: Schedule) -> Tensor:
    """`plan` with an end where next to no noise is left, in the place of none: falling.

    Without noise a prediction of x0 says nothing of the noise, and the way back begins with that.
    """
    still = float(schedule.t_of_log_snr(torch.tensor(STILL_LOG_SNR, dtype=torch.float64)))
    end = torch.as_tensor(max(still, schedule.t_min)).to(plan)
    return torch.cat([plan[:-1][plan[:-1] > end], end[None]])


def encode(
    sampler: Sampler,
    denoise: Denoise,
    x0: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
) -> Iterator[Step]:
    """The way from `x0` to its noise; `plan` is an `encoding_plan`, `sampler` one of `INVERTIBLE`.

    The last step's x is what a sampler of the same plan starts from to make `x0` again.
    """
    x = float(schedule.alpha(plan[-1])) * x0
    return sampler(denoise, x, plan.flip(0), schedule, random)


def decode(
    sampler: Sampler,
    denoise: Denoise,
    x: Tensor,
    plan: Tensor,
    schedule: Schedule,
    random: Random,
) -> Iterator[Step]:
    """The way back from what `encode` ended with; the last step's x0 is the item."""
    for step in sampler(denoise, x, plan, schedule, random):
        is_last = step.index == len(plan) - 2
        x0 = step.x / float(schedule.alpha(plan[-1])) if is_last else step.x0
        yield replace(step, x0=x0)


def slerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """From `a` (share 0) to `b` (share 1), item by item, at even angles and with an even norm."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    norm_a, norm_b = flat_a.norm(dim=1, keepdim=True), flat_b.norm(dim=1, keepdim=True)
    unit_a, unit_b = flat_a / norm_a, flat_b / norm_b
    angle = (unit_a * unit_b).sum(dim=1, keepdim=True).clamp(-1, 1).acos()
    is_straight = angle.sin().abs() < 1e-6  # the same direction: there is no arc between
    sine = torch.where(is_straight, 1.0, angle.sin())
    from_a = torch.where(is_straight, 1 - share, ((1 - share) * angle).sin() / sine)
    from_b = torch.where(is_straight, share, (share * angle).sin() / sine)
    norm = (1 - share) * norm_a + share * norm_b
    return (norm * (from_a * unit_a + from_b * unit_b)).reshape(a.shape)


def averaging_to(denoise: Denoise, small: Tensor) -> Denoise:
    """`denoise` with an x0 whose block averages are `small` (B, C, h, w), whatever xt is."""

    def denoise_so(xt: Tensor, t: Tensor) -> Prediction:
        said = denoise(xt, t)
        return replace(said, output=with_averages(said.x0, small), target="x0")

    return denoise_so


def with_averages(x: Tensor, small: Tensor) -> Tensor:
    """`x` (B, C, H, W) moved as little as can be until its block averages are `small`.

    In the paper's terms A⁺ small + (1 - A⁺A) x, where A averages and A⁺ repeats.
    """
    return x + _repeated(small - averages(x, small.shape[-2:]), x.shape[-2:])


def within(x: Tensor, small: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    """`x` with values from `low` to `high` and, as nearly as rounding allows, averages `small`.

    By projecting on either in turn, which ends where both hold.
    """
    for _ in range(100):
        x = with_averages(x, small).clamp(low, high)
    return x


def averages(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The block averages of `x` (B, C, H, W), (B, C, *size)."""
    height, width = x.shape[-2] // size[0], x.shape[-1] // size[1]
    return torch.nn.functional.avg_pool2d(x, (height, width))


def _repeated(small: Tensor, size: tuple[int, ...]) -> Tensor:
    height, width = size[0] // small.shape[-2], size[1] // small.shape[-1]
    return small.repeat_interleave(height, dim=-2).repeat_interleave(width, dim=-1)
