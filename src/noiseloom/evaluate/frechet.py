"""Fréchet distance between Gaussians fitted to two sets of features (arXiv:1706.08500, eq. 6).

`d² = |m1 - m2|² + tr(C1 + C2 - 2 (C1^½ C2 C1^½)^½)`, with covariances divided by n - 1, in float64.
From n samples it is biased upwards by about 1/n (Chong & Forsyth, arXiv:1911.07023): compare it at
equal n only, with the floor at that n, or compare the extrapolation to n = infinity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.evaluate.resampling import Interval, bootstrap_counts, shifted_interval

SPLITS = 8  # ways the samples are halved for the extrapolation


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and covariance (D, D), float64; leading axes make a batch of them."""

    mean: Tensor
    covariance: Tensor


def moments(features: Tensor) -> Moments:
    """Of features (N, D) with N of at least 2."""
    features = features.double()
    centred = features - features.mean(dim=0)
    return Moments(features.mean(dim=0), centred.T @ centred / (len(features) - 1))


class FrechetDistance:
    """Distance to one reference, whose matrix root is taken once."""

    def __init__(self, reference: Moments) -> None:
        self.reference = reference
        values, vectors = torch.linalg.eigh(reference.covariance)
        self.root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T

    def __call__(self, other: Moments) -> Tensor:
        """The squared distance, as is usual; a batch of moments gives a batch of distances."""
        shift = (other.mean - self.reference.mean).square().sum(dim=-1)
        traces = _trace(other.covariance) + _trace(self.reference.covariance)
        # the eigenvalues of C1^½ C2 C1^½; rounding may leave tiny negative ones
        values = torch.linalg.eigvalsh(self.root @ other.covariance @ self.root)
        return (shift + traces - 2 * values.clamp(min=0).sqrt().sum(dim=-1)).clamp(min=0)

    def of(self, features: Tensor) -> float:
        """The distance of features (N, D)."""
        return float(self(moments(features)))

    def interval(self, features: Tensor, replicates: int, generator: torch.Generator) -> Interval:
        """Bootstrap interval for the distance of these features; the reference is held fixed."""
        features = features.double()
        counts = bootstrap_counts(len(features), replicates, generator)
        distances = [self(_weighted(features, row)) for row in counts]
        return shifted_interval(self.of(features), torch.stack(distances))

    def extrapolated(self, features: Tensor, generator: torch.Generator) -> float:
        """The distance at n = infinity if its bias is c / n: twice this one less that of halves.

        Below 0 by chance where the truth is near 0.
        """
        halves = [
            self.of(features[half])
            for _ in range(SPLITS)
            for half in torch.randperm(len(features), generator=generator).chunk(2)
        ]
        return 2 * self.of(features) - sum(halves) / len(halves)


def _weighted(features: Tensor, counts: Tensor) -> Moments:
    """Moments of features (N, D) repeated `counts` (N,) times each."""
    total = counts.sum()
    mean = counts @ features / total
    centred = (features - mean) * counts.sqrt()[:, None]
    return Moments(mean, centred.T @ centred / (total - 1))


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
