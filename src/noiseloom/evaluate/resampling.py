"""Chance: bootstrap intervals for a figure, and draws of real data for its floor.

The bootstrap resamples the samples, with the reference held fixed. A Fréchet distance is biased
upwards by about 1/n, and a resample is biased once more, so percentiles are moved by that second
bias: their mean is put on the estimate (Efron & Tibshirani 1993, ch. 10).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

LEVEL = 0.95
MANY_ENOUGH = 5  # draws below which their spread says nothing

Interval = tuple[float, float]


def bootstrap_counts(n: int, replicates: int, generator: torch.Generator) -> Tensor:
    """How often each of n samples is in each resample: (replicates, n), float64, rows sum to n."""
    drawn = torch.randint(n, (replicates, n), generator=generator)
    return torch.zeros(replicates, n, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(replicates, n, dtype=torch.float64)
    )


def shifted_interval(estimate: float, replicates: Tensor) -> Interval:
    """The central `LEVEL` of the replicates, their mean moved onto the estimate."""
    low, high = np.quantile(replicates.numpy(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shift = estimate - float(replicates.mean())
    return float(low) + shift, float(high) + shift


def mean_interval(values: Tensor, replicates: int, generator: torch.Generator) -> Interval:
    """Bootstrap interval of the mean of `values` (n,)."""
    values = values.double()
    counts = bootstrap_counts(len(values), replicates, generator)
    return shifted_interval(float(values.mean()), counts @ values / len(values))


def share_interval(share: float, n: int) -> Interval:
    """Wilson's interval for a share seen in n cases; unlike the bootstrap's, right at 0 and 1."""
    z = 1.959964
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def draws(pool: int, n: int, count: int, generator: torch.Generator) -> list[Tensor]:
    """`count` draws of n out of `pool` without replacement; one, the whole pool, where n = pool."""
    if not 0 < n <= pool:
        raise ValueError(f"a draw of {n} out of {pool} was asked for; allowed is 1 to {pool}")
    if n == pool:
        return [torch.arange(pool)]
    return [torch.randperm(pool, generator=generator)[:n] for _ in range(count)]


def spread(values: Sequence[float]) -> Interval | None:
    """The range the central `LEVEL` of draws falls in, taken as normal; None for too few draws."""
    if len(values) < MANY_ENOUGH:
        return None
    half = 1.959964 * float(np.std(values, ddof=1))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def ratio_interval(
    above: np.ndarray, below: np.ndarray, replicates: int, generator: torch.Generator
) -> tuple[Interval, float]:
    """Block-bootstrap interval of sum(above) / sum(below), items in their order; standard error.

    Neighbours are alike, as parts of one text are, so that about the cube root of n of them are
    drawn together, the last followed by the first (Politis & Romano 1992).
    """
    n = len(above)
    length = max(1, round(n ** (1 / 3)))
    starts = torch.randint(n, (replicates, -(-n // length)), generator=generator).numpy()
    drawn = [_summed(values, starts, length) for values in (above, below)]
    ratios = torch.from_numpy(drawn[0] / drawn[1])
    interval = shifted_interval(float(above.sum() / below.sum()), ratios)
    return interval, float(ratios.std())


def _summed(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Of each row of `starts` the sum of `length` values from each on, round the end."""
    ends = np.cumsum(np.concatenate([[0.0], values, values[: length - 1]]))
    return np.asarray((ends[starts + length] - ends[starts]).sum(axis=1))
