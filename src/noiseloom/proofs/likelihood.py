"""Likelihoods of data whose density is known, by the exact denoiser."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.exact import Gaussian, Mixture, finite
from noiseloom.diffusion.levels import Levels
from noiseloom.diffusion.likelihood import Judged, chain_bound, continuous_bound, flow_density
from noiseloom.diffusion.schedules import Cosine, RectifiedFlow
from noiseloom.proofs import Check
from noiseloom.proofs.process import mixture
from noiseloom.seeds import Random

ITEMS = 1500


def _judged(data: Mixture) -> Judged:
    mean = data.weights.double() @ data.means.double()
    square = data.means.double() ** 2 + data.stds.double()[:, None] ** 2
    spread = (data.weights.double() @ square - mean**2).mean().sqrt()
    return Judged(data.denoise, data.schedule, Statistics(mean, float(spread)))


@lru_cache
def _drawn() -> tuple[Judged, Tensor, Tensor]:
    """A mixture's exact denoiser, items drawn from it, and -log p of each."""
    data = mixture(Cosine())
    x0 = data.sample(ITEMS, torch.Generator().manual_seed(1))
    clean = Mixture(data.means, data.stds, data.weights, RectifiedFlow())
    return _judged(data), x0, -clean.log_density(x0, torch.tensor(0.0, dtype=torch.float64))


def by_the_flow() -> float:
    """The mean error of the probability-flow likelihood, nats an item."""
    judged, x0, truth = _drawn()
    found = flow_density(judged, x0[:100], Random(0, range(100)), steps=60).total
    return float((found - truth[:100]).abs().mean())


def by_the_bound() -> float:
    """The mean gap of the continuous bound, in its own standard errors."""
    judged, x0, truth = _drawn()
    found = continuous_bound(judged, x0, Random(0, range(ITEMS)), times=32).total
    gap = found - truth
    return float(gap.mean() / (gap.std() / ITEMS**0.5))


def below_the_truth(steps: int) -> float:
    """By how many standard errors a chain's bound lies below the truth; 0 where it does not."""
    judged, x0, truth = _drawn()
    gap = chain_bound(judged, x0, Random(0, range(ITEMS)), steps=steps).total - truth
    return max(0.0, float(-gap.mean() / (gap.std() / ITEMS**0.5)))


def hutchinson() -> float:
    """The mean error of the flow's likelihood where its divergence is estimated, bits a number.

    A Gaussian of 12 numbers whose mean and spread the solver is not told, so that the divergence is
    not 0.
    """
    data = Gaussian(0.3, 0.5, Cosine())
    x0 = data.sample(200, 12, torch.Generator().manual_seed(0))
    known = Judged(data.denoise, data.schedule, Statistics(torch.tensor(0.0), 1.0))
    truth = -Gaussian(0.3, 0.5, RectifiedFlow()).log_density(x0, torch.zeros(200).double())
    found = flow_density(known, x0, Random(0, range(200)), steps=24, probes=2).total
    return float((found - truth).abs().mean()) / math.log(2) / 12


def bits_of_bytes() -> float:
    """Bits a number of bytes, all alike, by the flow, of clouds so wide that they merge."""
    levels = Levels(-1.0, 1 / 127.5, 256)
    places = levels.low + levels.step * torch.arange(256, dtype=torch.float64)[:, None]
    even = torch.ones(256, dtype=torch.float64)
    data = Mixture(places, 0.7 * levels.step * even, even / 256, Cosine())
    x0 = places[20:236:12]
    known = Judged(data.denoise, data.schedule, Statistics(torch.tensor(0.0), 0.58), levels)
    found = flow_density(known, x0, Random(0, range(len(x0))), steps=60).total
    return float(found.mean()) / math.log(2)


def bits_by_the_bound() -> float:
    """Bits a number of bytes, all alike, by the continuous bound."""
    levels = Levels(-1.0, 1 / 127.5, 256)
    places = levels.low + levels.step * torch.arange(256, dtype=torch.float64)[:, None]
    data = finite(places, Cosine())
    known = Judged(data.denoise, data.schedule, Statistics(torch.tensor(0.0), 0.58), levels)
    x0 = places.repeat(10, 1)
    found = continuous_bound(known, x0, Random(0, range(len(x0))), times=32).total
    return float(found.mean()) / math.log(2)


CHECKS = (
    Check("likelihood: flow", "error on a mixture, nats", 0.0, 0.02, by_the_flow),
    Check("likelihood: bound", "gap on a mixture, standard errors", 0.0, 4.0, by_the_bound),
    *(
        Check(
            f"likelihood: chain of {steps}",
            "below the truth, standard errors: never",
            0.0,
            3.0,
            lambda steps=steps: below_the_truth(steps),  # type: ignore[misc]
        )
        for steps in (2, 20)
    ),
    Check("likelihood: Hutchinson", "error on a Gaussian, bits a number", 0.0, 0.01, hutchinson),
    Check("likelihood: bytes, flow", "256 levels alike: 8 bits", 8.0, 0.01, bits_of_bytes),
    Check("likelihood: bytes, bound", "256 levels alike: 8 bits", 8.0, 0.15, bits_by_the_bound),
)
