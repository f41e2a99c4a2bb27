"""Memorisation: are samples nearer to training images than unseen real images are?

A sample's distance is the Euclidean distance of its pixels to the nearest training image. The ratio
of the samples' mean to that of held-out real images is 1 for new images of the same kind and falls
towards 0 for copies. An image of more than `LONGEST_SIDE` pixels is averaged down to it first.
Where training sees images mirrored too, a copy of the mirror image is a copy: a training image is
then as far as the nearer of the two.

A single copy hides in a mean, so samples are also looked at one by one: how much nearer the nearest
training image is than the next ones, which allows for how dense the data is there (after Carlini et
al., arXiv:2301.13188). A sample is a near-copy when that is far below what held-out images show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from noiseloom.evaluate.coverage import squared_distances
from noiseloom.evaluate.features import chunks
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.resampling import Interval, bootstrap_counts, shifted_interval

LONGEST_SIDE = 32
NEIGHBOURS = 20  # nearest training images that make a sample's neighbourhood
QUERIES = 500  # images compared at once
ALARM_RATIO = 0.9  # the ratio is clearly below this where training images were copied
PAIRS = 8  # samples shown beside the training image nearest to them


@dataclass(frozen=True)
class Nearest:
    """Of each of N images: the distance to the nearest training image, and which that is.

    `standing_out` is that distance over the mean of the next neighbours': near 1 for an image among
    many, near 0 for a copy. `mirrored`: it is that training image's mirror image that is near.
    """

    distance: Tensor
    index: Tensor
    standing_out: Tensor
    mirrored: Tensor


def pixels(items: np.ndarray) -> Tensor:
    """Images (N, H, W, …) uint8 as rows of numbers in [0, 1], averaged down if they are large."""
    height, width = items.shape[1:3]
    factor = math.ceil(max(height, width) / LONGEST_SIDE)
    rows = torch.from_numpy(np.array(items)).float().div_(255).flatten(3)
    if factor > 1:
        smaller = F.avg_pool2d(rows.permute(0, 3, 1, 2), factor, ceil_mode=True)
        rows = smaller.contiguous()
    return rows.flatten(1)


def nearest(
    items: np.ndarray, train: np.ndarray, progress: Progress = ignore, *, flip: bool = False
) -> Nearest:
    """The nearest training images of `items`, by exhaustive search.

    With `flip`, by the distance to the training image or to its mirror image, whichever is less.
    """
    queries = torch.cat([pixels(part) for part in chunks(items)])
    k = min(NEIGHBOURS + 1, len(train))
    best = torch.full((len(queries), k), torch.inf)
    which = torch.zeros((len(queries), k), dtype=torch.int64)
    start = 0
    for part in chunks(train):
        candidates = [pixels(seen) for seen in _as_seen(part, flip)]
        for first in range(0, len(queries), QUERIES):
            rows = slice(first, first + QUERIES)
            found = reduce(
                torch.minimum, (squared_distances(queries[rows], seen) for seen in candidates)
            )
            found, where = found.topk(min(k, len(part)), dim=1, largest=False)
            joined = torch.cat([best[rows], found], dim=1)
            best[rows], order = joined.topk(k, dim=1, largest=False)
            which[rows] = torch.cat([which[rows], where + start], dim=1).gather(1, order)
        start += len(part)
        progress("comparing with training images", start / len(train))
    # |x|² + |y|² - 2 x·y cannot tell a copy from a near-copy; the difference can
    chosen = [_as_seen(train[part], flip) for part in np.array_split(which[:, 0].numpy(), 8)]
    rows_of_each = [
        torch.cat([pixels(part) for part in seen]) for seen in zip(*chosen, strict=True)
    ]
    differences = queries - torch.stack(rows_of_each)
    distance, orientation = differences.double().square().sum(dim=2).sqrt().min(dim=0)
    others = best[:, 1:].double().sqrt().mean(dim=1) if k > 1 else torch.ones(len(queries))
    return Nearest(distance, which[:, 0], distance / others.clamp(min=1e-12), orientation == 1)


def mirror(items: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) mirrored left-right."""
    return items[:, :, ::-1]


def _as_seen(items: np.ndarray, flip: bool) -> list[np.ndarray]:
    """The images as training sees them: as they are and, with `flip`, mirrored."""
    return [items, mirror(items)] if flip else [items]


def distance_ratio(samples: Nearest, held_out: Nearest) -> float:
    """The samples' mean distance over that of held-out real images."""
    return float(samples.distance.mean() / held_out.distance.mean().clamp(min=1e-12))


def ratio_interval(
    samples: Nearest, held_out: Nearest, replicates: int, generator: torch.Generator
) -> Interval:
    """Bootstrap interval for the ratio, both sides resampled."""
    means = [
        bootstrap_counts(len(side.distance), replicates, generator)
        @ side.distance
        / len(side.distance)
        for side in (samples, held_out)
    ]
    return shifted_interval(distance_ratio(samples, held_out), means[0] / means[1].clamp(min=1e-12))


def near_copies(samples: Nearest, held_out: Nearest) -> Tensor:
    """Which samples stand out as copies do: twice as much as 99 % of held-out images."""
    return torch.nonzero(samples.standing_out < _threshold(held_out)).flatten()


def too_many_copies(samples: Nearest, held_out: Nearest) -> bool:
    """Whether there are more near-copies than held-out images (which may be duplicates) explain."""
    n = len(samples.standing_out)
    expected = n * float((held_out.standing_out < _threshold(held_out)).double().mean())
    return len(near_copies(samples, held_out)) > expected + 3 * math.sqrt(expected) + 1


def _threshold(held_out: Nearest) -> float:
    return 0.5 * float(torch.quantile(held_out.standing_out, 0.01))


def describe(samples: Nearest, held_out: Nearest, ratio_interval: Interval) -> dict[str, Any]:
    """Whether to raise the alarm, and the samples that stand out most, with their neighbours."""
    order = samples.standing_out.argsort()[:PAIRS]
    return {
        "alarm": ratio_interval[1] < ALARM_RATIO or too_many_copies(samples, held_out),
        "near_copies": len(near_copies(samples, held_out)),
        "nearest_pairs": [
            {
                "sample": index,
                "training_image": int(samples.index[index]),
                "mirrored": bool(samples.mirrored[index]),
                "distance": round(float(samples.distance[index]), 4),
                "standing_out": round(float(samples.standing_out[index]), 4),
            }
            for index in order.tolist()
        ],
    }


def pairs_picture(noticed: Mapping[str, Any], items: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The samples `describe` named, (2 P, H, W, C): P samples, then each one's training image.

    A training image is mirrored where its mirror image is the one that is near.
    """
    pairs = noticed["nearest_pairs"]
    samples = items[[pair["sample"] for pair in pairs]]
    near = train[[pair["training_image"] for pair in pairs]]
    mirrored = np.array([pair["mirrored"] for pair in pairs])[:, None, None, None]
    return np.concatenate([samples, np.where(mirrored, mirror(near), near)])
