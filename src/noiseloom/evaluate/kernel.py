"""Kernel distance: the unbiased squared maximum mean discrepancy (KID, arXiv:1801.01401).

Kernel `k(x, y) = (x·y / D + 1)³`. With samples x (n) and reference y (m) it is
`mean_{i≠j} k(x_i, x_j) + mean_{i≠j} k(y_i, y_j) - 2 mean_{i,j} k(x_i, y_j)`. Being unbiased it is 0
on average for equal distributions at any n, and may be slightly negative. In float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.evaluate.resampling import Interval, bootstrap_counts, shifted_interval

CHUNK = 1000


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """The cubic polynomial kernel of (N, D) against (M, D)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


@dataclass(frozen=True)
class KernelDistance:
    """Distance to one `reference` (M, D), float64; `own` is its term, computed once."""

    reference: Tensor
    own: float

    @classmethod
    def against(cls, reference: Tensor) -> KernelDistance:
        """For a reference whose own term is not known yet."""
        return cls(reference.double(), float(_off_diagonal_mean(reference.double())))

    def closeness(self, features: Tensor) -> Tensor:
        """Each feature's mean kernel against the reference, (N,)."""
        features = features.double()
        return torch.cat([self._rows(part) for part in features.split(CHUNK)])

    def of(self, features: Tensor, closeness: Tensor | None = None) -> float:
        """The distance of features (N, D); `closeness` may be given where it is known."""
        closeness = self.closeness(features) if closeness is None else closeness
        return float(_off_diagonal_mean(features.double()) + self.own - 2 * closeness.mean())

    def interval(self, features: Tensor, replicates: int, generator: torch.Generator) -> Interval:
        """Bootstrap interval; a pair made of one sample and itself is left out of every resample."""
        features = features.double()
        n, closeness = len(features), self.closeness(features)
        counts = bootstrap_counts(n, replicates, generator)
        pairs = torch.zeros(replicates, dtype=torch.float64)
        for start in range(0, n, CHUNK):
            rows = slice(start, min(n, start + CHUNK))
            block = kernel(features[rows], features)
            block[torch.arange(len(block)), torch.arange(start, rows.stop)] = 0
            pairs += (counts[:, rows] * (counts @ block.T)).sum(dim=1)
        within = pairs / (n**2 - counts.square().sum(dim=1))
        distances = within + self.own - 2 * counts @ closeness / n
        return shifted_interval(self.of(features, closeness), distances)

    def _rows(self, features: Tensor) -> Tensor:
        return kernel(features, self.reference).mean(dim=1)


def _off_diagonal_mean(features: Tensor) -> Tensor:
    n = len(features)
    total = sum(kernel(part, features).sum() for part in features.split(CHUNK))
    diagonal = (features.square().sum(dim=1) / features.shape[1] + 1) ** 3
    return (total - diagonal.sum()) / (n * (n - 1))
