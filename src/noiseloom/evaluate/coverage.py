"""Precision and recall of a set of samples (Kynkäänniemi et al., arXiv:1904.06991, eqs. 1-2).

A set's manifold is the union of balls around its features, each reaching to its k-th nearest
neighbour in the set. Precision is the share of samples within the reference's manifold (are they
real-looking?), recall the share of the reference within the samples' (is all of it covered?).
Both depend on both counts: compare with real data of the same count.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK_ENTRIES = 4_000_000  # distances held at once


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances of (N, D) to (M, D), (N, M)."""
    products = torch.addmm(y.square().sum(dim=1)[None], x, y.T, alpha=-2)
    return products.add_(x.square().sum(dim=1)[:, None]).clamp_(min=0)


def radii(features: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each feature to its k-th nearest neighbour among the others."""
    if len(features) <= neighbours:
        raise ValueError(
            f"{len(features)} features were given for {neighbours} neighbours; needed are at "
            f"least {neighbours + 1}"
        )
    parts = []
    for start, part in _parts(features, len(features)):
        distances = squared_distances(part, features)
        distances[torch.arange(len(part)), torch.arange(start, start + len(part))] = torch.inf
        parts.append(distances.topk(neighbours, dim=1, largest=False).values[:, -1])
    return torch.cat(parts)


def covered(points: Tensor, features: Tensor, reach: Tensor) -> Tensor:
    """Whether each point (N, D) lies in a ball of squared radius `reach` round a feature (M, D)."""
    parts = [
        (squared_distances(part, features) <= reach).any(dim=1)
        for _, part in _parts(points, len(features))
    ]
    return torch.cat(parts)


def share(flags: Tensor) -> float:
    """How many of the flags are set, 0 to 1."""
    return float(flags.double().mean())


def _parts(features: Tensor, others: int) -> list[tuple[int, Tensor]]:
    length = max(1, CHUNK_ENTRIES // others)
    return [(start, features[start : start + length]) for start in range(0, len(features), length)]
