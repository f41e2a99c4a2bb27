"""Kernel distances: the unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3).

With samples x (n) and reference y (m) it is
`mean_{i≠j} k(x_i, x_j) + mean_{i≠j} k(y_i, y_j) - 2 mean_{i,j} k(x_i, y_j)`, in float64. Being
unbiased it is 0 on average for equal distributions at any n, and may be slightly negative.
With the cubic kernel it is the kernel (Inception) distance KID (arXiv:1801.01401); with the
negative distance for a kernel, the energy distance (Székely & Rizzo 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.evaluate.resampling import Interval, bootstrap_counts, shifted_interval

CHUNK = 1000

Kernel = Callable[[Tensor, Tensor], Tensor]


def cubic(x: Tensor, y: Tensor) -> Tensor:
    """`(x·y / D + 1)³` of (N, D) against (M, D)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def negative_distance(x: Tensor, y: Tensor) -> Tensor:
    """`-|x - y|` of (N, D) against (M, D)."""
    return -torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


@dataclass(frozen=True)
class KernelDistance:
    """Distance to one `reference` (M, D), float64; `own` is its term, computed once."""

    kernel: Kernel
    reference: Tensor
    own: float

    @classmethod
    def against(cls, reference: Tensor, kernel: Kernel = cubic) -> KernelDistance:
        """For a reference whose own term is not known yet."""
        return cls(kernel, reference.double(), _within(kernel, reference.double()))

    def closeness(self, features: Tensor) -> Tensor:
        """Each feature's mean kernel against the reference, (N,)."""
        parts = features.double().split(CHUNK)
        return torch.cat([self.kernel(part, self.reference).mean(dim=1) for part in parts])

    def of(self, features: Tensor, closeness: Tensor | None = None) -> float:
        """The distance of features (N, D); `closeness` may be given where it is known."""
        closeness = self.closeness(features) if closeness is None else closeness
        within = _within(self.kernel, features.double())
        return within + self.own - 2 * float(closeness.mean())

    def interval(self, features: Tensor, replicates: int, generator: torch.Generator) -> Interval:
        """Bootstrap interval; pairs of a sample with itself are left out of every resample."""
        features = features.double()
        n, closeness = len(features), self.closeness(features)
        counts = bootstrap_counts(n, replicates, generator)
        pairs = torch.zeros(replicates, dtype=torch.float64)
        for rows, block in _blocks(self.kernel, features):
            pairs += (counts[:, rows] * (counts @ block.T)).sum(dim=1)
        within = pairs / (n**2 - counts.square().sum(dim=1))
        distances = within + self.own - 2 * counts @ closeness / n
        return shifted_interval(self.of(features, closeness), distances)


def _within(kernel: Kernel, features: Tensor) -> float:
    n = len(features)
    return sum(float(block.sum()) for _, block in _blocks(kernel, features)) / (n * (n - 1))


def _blocks(kernel: Kernel, features: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The kernel of features against themselves, some rows at a time, its diagonal put to 0."""
    for start in range(0, len(features), CHUNK):
        rows = slice(start, min(len(features), start + CHUNK))
        block = kernel(features[rows], features)
        block[torch.arange(len(block)), torch.arange(start, rows.stop)] = 0
        yield rows, block
