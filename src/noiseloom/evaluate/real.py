"""The real side of an evaluation: learned features and what real images are in them.

Everything here depends on the data and the settings alone, so it is kept in the dataset's cache.
The reference is what samples are compared with; the pool is training images, from which the floor's
draws are taken; held-out images are the reference's, for the distance to training images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.data.dataset import Dataset
from noiseloom.evaluate import feature_learning, memorisation, store
from noiseloom.evaluate.agreement import as_tensor
from noiseloom.evaluate.coverage import radii
from noiseloom.evaluate.feature_learning import Budget
from noiseloom.evaluate.features import Features, new_encoder
from noiseloom.evaluate.kernel import KernelDistance, cubic
from noiseloom.evaluate.memorisation import Nearest
from noiseloom.evaluate.progress import Progress
from noiseloom.networks.image_encoder import DIMENSION, linear

HELD_OUT = 4_000  # held-out images compared with the training images, where num is not more


@dataclass(frozen=True)
class Settings:
    """What the real side depends on; the JSON of it is a cache key."""

    feature_images: int
    feature_seed: int
    reference_limit: int
    pool_limit: int
    neighbours: int


@dataclass(frozen=True)
class Real:
    """Features (N, D) of real images; `read` is the class read in each, `labels` its own."""

    features: Features
    reference: Tensor
    reference_read: Tensor | None
    reference_labels: Tensor | None
    reach: Tensor  # squared radius of each reference image's ball
    kernel: KernelDistance
    pool: Tensor
    pool_closeness: Tensor  # the pool's mean kernel against the reference
    pool_index: Tensor  # which training images the pool is
    held_out: Nearest


def measure_real(dataset: Dataset, settings: Settings, num: int, progress: Progress) -> Real:
    """The real side for `num` samples, from the cache where it is there."""
    key = key_of(dataset, settings)
    features = learned_features(dataset, settings, key, progress)
    chosen = _choice(len(dataset.reference), settings.reference_limit)
    pool_index = _choice(len(dataset.train), settings.pool_limit)

    def embed() -> dict[str, Tensor]:
        progress("looking at real images", 0.0)
        reference, read = features.embed_items(dataset.reference.items[chosen], dataset.to_model)
        pool, _ = features.embed_items(dataset.train.items[pool_index], dataset.to_model)
        kernel = KernelDistance.against(reference)
        made = {
            "reference": reference,
            "reach": radii(reference, min(settings.neighbours, len(reference) - 1)),
            "kernel_own": torch.tensor(kernel.own, dtype=torch.float64),
            "pool": pool,
            "pool_closeness": kernel.closeness(pool),
        }
        return made if read is None else {**made, "read": read}

    def search() -> dict[str, Tensor]:
        held_out = dataset.reference.items[_choice(len(dataset.reference), max(HELD_OUT, num))]
        train = dataset.train.items
        return vars(memorisation.nearest(held_out, train, progress, flip=dataset.form.flip))

    kept = store.recall(dataset.cache, "features-of-real", key, embed)
    searched = {
        "data": dataset.fingerprint,
        "held_out": max(HELD_OUT, num),
        "flip": dataset.form.flip,
    }
    labels = dataset.reference.labels
    return Real(
        features=features,
        reference=kept["reference"],
        reference_read=kept.get("read"),
        reference_labels=None if labels is None else as_tensor(labels[chosen]),
        reach=kept["reach"],
        pool=kept["pool"],
        pool_index=torch.from_numpy(pool_index),
        kernel=KernelDistance(cubic, kept["reference"].double(), float(kept["kernel_own"])),
        pool_closeness=kept["pool_closeness"],
        held_out=Nearest(**store.recall(dataset.cache, "held-out-distances", searched, search)),
    )


def key_of(dataset: Dataset, settings: Settings) -> dict[str, object]:
    """What features learned on `dataset` are kept under."""
    return {"data": dataset.fingerprint, **vars(settings)}


def _choice(available: int, limit: int) -> np.ndarray:
    """At most `limit` of the indices, the same ones every time, in order."""
    if available <= limit:
        return np.arange(available)
    generator = torch.Generator().manual_seed(0)
    return np.sort(torch.randperm(available, generator=generator)[:limit].numpy())


def learned_features(
    dataset: Dataset, settings: Settings, key: dict[str, object], progress: Progress
) -> Features:
    """Features learned on the training images, from the cache where they are there under `key`."""
    generator = torch.Generator().manual_seed(settings.feature_seed)
    labels = dataset.train.labels

    def learn() -> dict[str, Tensor]:
        learned = feature_learning.learn(
            dataset.train.items,
            labels,
            dataset.to_model,
            Budget(settings.feature_images, settings.feature_seed),
            progress,
        )
        return _to_tensors(learned)

    tensors = store.recall(dataset.cache, "features", key, learn)
    channels, height, width = dataset.item_shape
    encoder = new_encoder(channels, max(height, width), generator)
    encoder.load_state_dict(_part(tensors, "encoder."))
    encoder.requires_grad_(False).train(False)
    classify = None
    if head := _part(tensors, "classify."):
        classify = nn.Sequential(nn.ReLU(), linear(DIMENSION, len(head["1.bias"]), generator))
        classify.load_state_dict(head)
        classify.requires_grad_(False).train(False)
    return Features(encoder, classify, tensors["mean"], float(tensors["scale"]))


def _to_tensors(features: Features) -> dict[str, Tensor]:
    classify = {} if features.classify is None else features.classify.state_dict()
    return {
        **{f"encoder.{name}": value for name, value in features.encoder.state_dict().items()},
        **{f"classify.{name}": value for name, value in classify.items()},
        "mean": features.mean,
        "scale": torch.tensor(features.scale, dtype=torch.float64),
    }


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
