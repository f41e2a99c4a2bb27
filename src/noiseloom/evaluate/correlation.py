"""How well estimated numbers fit the true ones: their error, and how they go together.

Rank correlation gives equal numbers the mean of the ranks they share (Spearman 1904). A correlation
with numbers that never change is not defined; it is said to be 0, since nothing can be told by it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from noiseloom.evaluate.beside import Figures
from noiseloom.evaluate.resampling import Interval, shifted_interval

Measure = Callable[[np.ndarray, np.ndarray], float]


def rmse(truth: np.ndarray, estimate: np.ndarray) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(estimate - truth))))


def pearson(truth: np.ndarray, estimate: np.ndarray) -> float:
    """The correlation, from -1 to 1."""
    if np.ptp(truth) == 0 or np.ptp(estimate) == 0:
        return 0.0
    x, y = truth - truth.mean(), estimate - estimate.mean()
    return float(np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y)))


def spearman(truth: np.ndarray, estimate: np.ndarray) -> float:
    """The correlation of the ranks."""
    return pearson(ranks(truth), ranks(estimate))


def ranks(numbers: np.ndarray) -> np.ndarray:
    """Their places (N,) in ascending order, from 1; equal ones share the mean of theirs."""
    _, group, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: np.ndarray = (last - (counts - 1) / 2)[group]
    return mean


MEASURES: dict[str, Measure] = {"rmse": rmse, "pearson": pearson, "spearman": spearman}


def figures(
    truth: np.ndarray, estimate: np.ndarray, replicates: int, random: np.random.Generator
) -> Figures:
    """All of `MEASURES` for N items, each with its bootstrap interval."""
    truth, estimate = np.asarray(truth, np.float64), np.asarray(estimate, np.float64)
    own = {name: measure(truth, estimate) for name, measure in MEASURES.items()}
    resampled = np.empty((replicates, len(own)))
    for row in resampled:
        drawn = random.integers(0, len(truth), len(truth))
        row[:] = [measure(truth[drawn], estimate[drawn]) for measure in MEASURES.values()]
    return Figures(
        own,
        {
            name: _bounded(name, shifted_interval(value, torch.from_numpy(resampled[:, place])))
            for place, (name, value) in enumerate(own.items())
        },
    )


def _bounded(name: str, interval: Interval) -> Interval:
    low, high = (0.0, np.inf) if name == "rmse" else (-1.0, 1.0)
    return max(low, interval[0]), min(high, interval[1])
