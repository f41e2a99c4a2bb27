"""Clips in learned features, for a Fréchet distance of clips as Unterthiner et al. 2018 have it.

(arXiv:1812.01717, FVD.) Theirs are of a network for human actions; these are learned on the clips
themselves, by a network that sees all frames at once, as the channels of one image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from noiseloom.data.dataset import ImageDataset, Split, VideoDataset
from noiseloom.data.motion_captions import DIRECTIONS, direction_of
from noiseloom.evaluate.features import Features
from noiseloom.evaluate.progress import Progress
from noiseloom.evaluate.real import Settings, learned_features

MOST = 10_000  # training clips that features are learned on and the floor's draws are taken from


@dataclass(frozen=True)
class ClipFeatures:
    """The features, and what real clips are in them: held-out ones, and a pool to draw from."""

    features: Features
    view: ImageDataset
    reference: Tensor
    pool: Tensor

    def embed(self, clips: np.ndarray) -> Tensor:
        """Features (N, D) of clips (N, T, H, W, C)."""
        return self.features.embed_items(stacked(clips), self.view.to_model)[0]


def learn(
    dataset: VideoDataset, images: int, seed: int, reference: int, progress: Progress
) -> ClipFeatures:
    """From `images` looks at training clips; of those held out the first `reference` are compared.

    Where it is known what clips show, features are those by which digit and direction are told.
    """
    train = dataset.train.items[:MOST]
    labels = None
    if (truth := dataset.train_truth) is not None:
        ways = direction_of(truth.motion.velocity[:MOST])
        labels = np.asarray(truth.digits[:MOST]) * len(DIRECTIONS) + ways
    view = ImageDataset(
        train=Split(stacked(train), labels),
        reference=Split(stacked(dataset.reference.items[:reference])),
        class_names=(),
        fingerprint=dataset.fingerprint,
        report={},
        cache=dataset.cache,
    )
    settings = Settings(
        feature_images=images,
        feature_seed=seed,
        reference_limit=reference,
        pool_limit=MOST,
        neighbours=1,
    )
    key = {"data": dataset.fingerprint, "clips": True, **vars(settings)}
    features = learned_features(view, settings, key, progress)
    progress("looking at real clips", 0.0)
    found = [
        features.embed_items(split.items, view.to_model)[0]
        for split in (view.reference, view.train)
    ]
    return ClipFeatures(features, view, *found)


def stacked(clips: np.ndarray) -> np.ndarray:
    """Clips (N, T, H, W, C) as images of T x C channels, (N, H, W, T C)."""
    num, frames, height, width, channels = clips.shape
    across = np.asarray(clips).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(across).reshape(num, height, width, frames * channels)
