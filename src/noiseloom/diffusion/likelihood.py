"""How likely a denoiser finds data: the variational bound and the probability-flow density.

All is -log p(x0) in nats for each item, of what the model makes of `x0` alone or of the cells round
its `levels`. The two are of different models that share a network: the bound is of the chain that
draws fresh noise at every step, the density of the ODE that draws none. They agree where the
denoiser is exact, as it is on the data of `exact`; a trained one's need not.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from noiseloom.diffusion.bound import Chain, prior
from noiseloom.diffusion.denoiser import Denoise, Statistics
from noiseloom.diffusion.flow import MOST_EXACT, Flow
from noiseloom.diffusion.levels import Levels
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import Schedule, expand
from noiseloom.diffusion.times import HIGHEST_LOG_SNR, log_snr_range
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Bound:
    """The parts of the bound on -log p(x0), nats, each (items,) in float64.

    `prior` is what telling the end of the chain costs, `diffusion` the steps between, and
    `reconstruction` reading the data off the cleanest xt.
    """

    prior: Tensor
    diffusion: Tensor
    reconstruction: Tensor

    @property
    def total(self) -> Tensor:
        """The bound itself."""
        return self.prior + self.diffusion + self.reconstruction


@dataclass(frozen=True)
class Judged:
    """What is scored: a denoiser with its schedule, and what is known of its data.

    Both likelihoods stop at `highest`, the log-SNR of the cleanest xt that the denoiser knows:
    below its noise the bound reads the data off, and the ODE takes the data for xt.
    """

    denoise: Denoise
    schedule: Schedule
    statistics: Statistics
    levels: Levels | None = None
    highest: float = HIGHEST_LOG_SNR

    @property
    def log_snr(self) -> tuple[float, float]:
        """The lowest and the highest log-SNR at which it is asked."""
        return log_snr_range(self.schedule, highest=self.highest)


@torch.no_grad()
def continuous_bound(judged: Judged, x0: Tensor, random: Random, *, times: int) -> Bound:
    """The bound of infinitely many steps (Kingma et al. 2021, arXiv:2107.00630, eq. 11 to 18).

    It is integrated over log-SNR, of which each item sees `times`, one in each of as many equal
    parts of the range: an unbiased estimate.
    """
    _check("times", times)
    schedule = judged.schedule
    low, high = judged.log_snr
    diffusion = torch.zeros(len(x0), dtype=torch.float64, device=x0.device)
    for u, part in _strata(random, times):
        t = schedule.t_of_log_snr(low + u.to(x0.device) * (high - low)).to(x0.dtype)
        noise = part.normal_like("noise", x0)
        said = judged.denoise(add_noise(schedule, x0, noise, t), t)
        snr = expand(schedule.log_snr(t).exp(), x0)
        diffusion += 0.5 * (high - low) / times * _sum(snr * (said.x0 - x0) ** 2)
    noisy = schedule.t_of_log_snr(torch.tensor(low, dtype=torch.float64, device=x0.device))
    return Bound(
        _sum(prior(schedule, x0, noisy, judged.statistics)),
        diffusion,
        _read_off(judged.levels, x0, math.exp(-0.5 * high), random.under("reconstruction")),
    )


@torch.no_grad()
def chain_bound(
    judged: Judged, x0: Tensor, random: Random, *, steps: int, times: int | None = None
) -> Bound:
    """The bound of a chain of `steps` steps (Ho et al. 2020, arXiv:2006.11239, eq. 5).

    Every L_i is taken once; with `times`, so many of the steps between the first and the last, one
    in each of as many equal parts, stand for all of them: an unbiased estimate.
    """
    _check("steps", steps)
    chain = Chain(judged.schedule, steps)
    between = steps - 1
    num = between if times is None else min(times, between)
    diffusion = torch.zeros(len(x0), dtype=torch.float64, device=x0.device)
    if num:
        for number, (u, part) in enumerate(_strata(random, num)):
            if num == between:
                u = torch.full_like(u, (number + 0.5) / between)
            index = 2 + (u.to(x0.device) * between).long().clamp(max=between - 1)
            diffusion += between / num * _term(judged, chain, x0, index, part)
    end = torch.tensor(judged.schedule.t_max, dtype=torch.float64, device=x0.device)
    first = torch.ones(len(x0), dtype=torch.long, device=x0.device)
    return Bound(
        _sum(prior(judged.schedule, x0, end, judged.statistics)),
        diffusion,
        _term(judged, chain, x0, first, random.under("reconstruction")),
    )


@dataclass(frozen=True)
class Density:
    """-log p(x0) by the ODE, nats, (probes, items) in float64; `probes` 0 where it is exact."""

    each: Tensor
    probes: int

    @property
    def total(self) -> Tensor:
        """The mean over the probes, (items,)."""
        return self.each.mean(dim=0)


def flow_density(
    judged: Judged, x0: Tensor, random: Random, *, steps: int, probes: int = 1
) -> Density:
    """The density of the probability-flow ODE, solved in `steps` steps of four calls.

    Data of levels is spread evenly over its cells, and their size added: log2(1 / step) bits a
    number. The divergence is exact for items of few numbers, otherwise estimated by `probes`
    vectors of signs for each item, which stay fixed throughout its solve.
    """
    _check("steps", steps)
    _check("probes", probes)
    flow = Flow(judged.denoise, judged.schedule, judged.statistics, steps, judged.log_snr)
    size, cell = x0[0].numel(), 0.0
    if judged.levels is not None:
        u = random.uniform("dequantisation", x0.shape[1:]).to(x0)
        x0 = judged.levels.dequantised(x0, u)
        cell = size * math.log(judged.levels.step)
    signs = None
    if size > MOST_EXACT:
        signs = torch.stack([_signs(random.at(number), x0) for number in range(probes)])
    found = -flow.log_density(x0, signs) - cell
    return Density(found[None], 0) if signs is None else Density(found, probes)


def _term(judged: Judged, chain: Chain, x0: Tensor, index: Tensor, random: Random) -> Tensor:
    """L_{index - 1} of each item, (items,), at one draw of its noise."""
    t = chain.time(index).to(x0.dtype)
    said = judged.denoise(add_noise(chain.schedule, x0, random.normal_like("noise", x0), t), t)
    std = torch.tensor(judged.statistics.std, dtype=x0.dtype, device=x0.device)
    known = replace(said, data_std=std, levels=judged.levels)
    return _sum(chain.terms(known, x0, index))


def _read_off(levels: Levels | None, x0: Tensor, std: float, random: Random) -> Tensor:
    """-log p(x0 | x0 + std · noise) where nothing else is known, (items,); any number: the mean."""
    if levels is None:
        mean = 0.5 + math.log(std * math.sqrt(2 * math.pi))
        return _sum(torch.full_like(x0, mean, dtype=torch.float64))
    read = x0 + std * random.normal_like("noise", x0)
    spread = torch.tensor(std, dtype=x0.dtype, device=x0.device)
    return -_sum(levels.log_read(x0, read, spread))


def _strata(random: Random, num: int) -> Iterator[tuple[Tensor, Random]]:
    """In each of `num` equal parts of (0, 1) a number for each item, and its randomness."""
    offset = random.uniform("strata").double()
    for number in range(num):
        yield (number + offset) / num, random.at(number)


def _signs(random: Random, x0: Tensor) -> Tensor:
    """+1 or -1 for each number (Rademacher): of all probes the estimate's variance is least."""
    return 2.0 * random.chance("probe", 0.5, x0.shape[1:]).to(x0) - 1.0


def _sum(each: Tensor) -> Tensor:
    return each.double().flatten(1).sum(dim=1)


def _check(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} is {value}; at least 1 is needed")
