"""The exact score of a data set, at every t, and how far a learned one is from it.

Where the density that points were drawn from is known (`data.dataset.KnowsDensity`), the exact
score is that of the noised density. Else it is that of the noised training points: what a network
would come to that had learned these by heart.

The relative error at t is E|s - s*|² / E|s*|², both over xt ~ p_t: 0 for the exact score s*, 1 for
one that is 0 everywhere. All is float64 on the CPU, but for what is asked of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.dataset import Dataset, KnowsDensity
from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.exact import Mixture, finite
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import Schedule
from noiseloom.evaluate.resampling import Interval, ratio_interval
from noiseloom.seeds import generator

RESAMPLES = 200
AT_ONCE = 1_000  # points whose exact score is taken together


@dataclass(frozen=True, eq=False)
class Exact:
    """Data whose score is known; `words` say whose score that is."""

    data: Mixture
    words: str
    is_density: bool

    def score(self, xt: Tensor, t: Tensor) -> Tensor:
        """The exact score of points xt (N, D) at t (N,)."""
        parts = zip(xt.split(AT_ONCE), t.split(AT_ONCE), strict=True)
        return torch.cat([self.data.denoise(some, at).score for some, at in parts])


@dataclass(frozen=True, eq=False)
class ScoreError:
    """At one t, of N points: |s - s*|² and |s*|², (N,)."""

    t: float
    off: np.ndarray
    size: np.ndarray

    @property
    def relative(self) -> float:
        """The first over the second, on average."""
        return float(self.off.sum() / self.size.sum())

    def interval(self, seed: int) -> Interval:
        """Where the relative error lies, by resampling the points."""
        drawn = generator(seed, f"score error {self.t}")
        return ratio_interval(self.off, self.size, RESAMPLES, drawn)[0]


def exact_of(data: object, dataset: Dataset, schedule: Schedule, label: int | None) -> Exact:
    """The data of a recipe's section `data`, opened as `dataset`: all of it, or a class of it."""
    density = data.gaussians() if isinstance(data, KnowsDensity) else None
    if density is not None:
        density = density if label is None else density.of(label)
        means, stds, weights = map(torch.from_numpy, (density.means, density.stds, density.weights))
        mixture = Mixture(means, stds, weights, schedule)
        return Exact(mixture, "the density that the points were drawn from", True)
    chosen = np.arange(len(dataset.train))
    if label is not None and dataset.train.labels is not None:
        chosen = np.flatnonzero(np.asarray(dataset.train.labels) == label)
    items = dataset.to_model(dataset.train.items[chosen]).double()
    return Exact(finite(items, schedule), f"the {len(items):,} training points", False)


def score_error(denoise: Denoise, exact: Exact, t: float, *, num: int, seed: int) -> ScoreError:
    """How far the score of `denoise` is from the exact one at t, on `num` points of p_t."""
    schedule = exact.data.schedule
    drawn = generator(seed, "score error points")
    x0 = exact.data.sample(num, drawn)
    noise = torch.randn(x0.shape, generator=drawn, dtype=x0.dtype)
    xt = add_noise(schedule, x0, noise, torch.tensor(t, dtype=torch.float64)).float()
    learned, truth = both_scores(denoise, exact, xt, t)
    off, size = ((part**2).sum(dim=1).numpy() for part in (learned - truth, truth))
    return ScoreError(t, off, size)


@torch.no_grad()
def both_scores(denoise: Denoise, exact: Exact, xt: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """The learned and the exact score of points xt (N, D) float32, (N, D) float64 either."""
    learned = denoise(xt, torch.full((len(xt),), t, dtype=xt.dtype)).score
    times = torch.full((len(xt),), t, dtype=torch.float64)
    return learned.double().cpu(), exact.score(xt.double(), times)
