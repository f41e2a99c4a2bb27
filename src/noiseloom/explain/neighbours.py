"""The training items nearest to samples, and whether a sample is a copy of one.

The rule is that of evaluation (`evaluate.memorisation`): a sample is a near-copy whose nearest
training item is much nearer than the next ones, twice as much so as for 99 % of held-out items. It
allows for how dense the data is there, and for data that holds an item twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.dataset import Dataset, ImageDataset
from noiseloom.evaluate import memorisation
from noiseloom.evaluate.coverage import squared_distances
from noiseloom.evaluate.features import Features
from noiseloom.evaluate.memorisation import NEIGHBOURS, Nearest, near_copies
from noiseloom.evaluate.points import nearest
from noiseloom.evaluate.progress import Progress, ignore

MOST_COMPARED = 2e11  # numbers of training items that held-out ones are compared with, together
LEAST_HELD_OUT = 100
MOST_EMBEDDED = 20_000  # training images that features are taken of


@dataclass(frozen=True, eq=False)
class Compared:
    """N samples and some held-out items with their nearest training items.

    `is_copy` (N,) says which samples are near-copies; `usual` is the mean distance of a held-out
    item to its nearest training item; `held_out_copies` how many of these the rule would call so.
    """

    samples: Nearest
    held_out: Nearest
    is_copy: np.ndarray
    held_out_copies: int

    @property
    def usual(self) -> float:
        return float(self.held_out.distance.mean())


def compare(
    samples: np.ndarray, dataset: Dataset, *, held_out: int, progress: Progress = ignore
) -> Compared:
    """Samples, as they are stored, beside the training items of `dataset`.

    The rule is taken from up to `held_out` held-out items, fewer where items are many and large.
    """
    train = dataset.train.items
    most = int(MOST_COMPARED / (len(train) * max(1, math.prod(train.shape[1:]))))
    chosen = dataset.reference.evenly(min(held_out, max(LEAST_HELD_OUT, most)))
    real = np.asarray(dataset.reference.items[chosen])
    own, held = (_nearest(items, train, dataset, progress) for items in (samples, real))
    is_copy = np.zeros(len(samples), bool)
    is_copy[near_copies(own, held).numpy()] = True
    return Compared(own, held, is_copy, len(near_copies(held, held)))


def _nearest(items: np.ndarray, train: np.ndarray, dataset: Dataset, progress: Progress) -> Nearest:
    if items.ndim == 2:
        return nearest_points(items, train)
    if items.ndim == 5:  # of clips all frames at once: what lies in one place is its channels
        items, train = (clips.transpose(0, 2, 3, 1, 4) for clips in (items, train))
    return memorisation.nearest(items, train, progress, flip=dataset.form.flip)


def nearest_points(points: np.ndarray, train: np.ndarray) -> Nearest:
    """The nearest training points, (N, D), by exhaustive search in float64."""
    own, known = (torch.from_numpy(np.array(items, np.float64)) for items in (points, train))
    distance, index = nearest(own, known, NEIGHBOURS + 1)
    others = distance[:, 1:].mean(dim=1) if len(train) > 1 else torch.ones(len(distance))
    never = torch.zeros(len(distance), dtype=torch.bool)
    return Nearest(distance[:, 0], index[:, 0], distance[:, 0] / others.clamp(min=1e-12), never)


def nearest_by_features(
    samples: np.ndarray, dataset: ImageDataset, features: Features, num: int, progress: Progress
) -> np.ndarray:
    """The numbers of the `num` training images nearest to each sample in features, (N, num).

    Of more than `MOST_EMBEDDED` training images as many, evenly taken.
    """
    chosen = dataset.train.evenly(MOST_EMBEDDED)
    count = len(chosen)
    progress("looking at training images", 0.0)
    own, _ = features.embed_items(samples, dataset.to_model)
    best = torch.empty(len(own), 0)
    index = torch.empty(len(own), 0, dtype=torch.int64)
    for start in range(0, count, 1_000):
        items = dataset.train.items[chosen[start : start + 1_000]]
        known: Tensor = features.embed_items(np.asarray(items), dataset.to_model)[0]
        away = squared_distances(own, known)
        places = torch.arange(start, start + len(known)).expand(len(own), -1)
        best, index = torch.cat([best, away], dim=1), torch.cat([index, places], dim=1)
        best, order = best.topk(min(num, best.shape[1]), dim=1, largest=False)
        index = index.gather(1, order)
        progress("looking at training images", (start + len(known)) / count)
    return chosen[index.numpy()]
