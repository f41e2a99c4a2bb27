"""A small real dataset: discs, rings and crosses of 16 x 16, three classes."""

from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.dataset import ImageDataset, PointDataset, Split
from noiseloom.evaluate.images import Config

SIDE = 16


def draw_shapes(count, seed, channels=1, side=SIDE):
    """Images (count, side, side, channels) uint8 of a random place, size and brightness; labels."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    y, x = np.mgrid[:side, :side]
    images = np.zeros((count, side, side, channels), dtype=np.uint8)
    for index, label in enumerate(labels):
        down, across = chance.uniform(0.35, 0.65, 2) * side
        size = chance.uniform(0.18, 0.3) * side
        dy, dx = abs(y - down), abs(x - across)
        inside = [
            dy**2 + dx**2 < size**2,
            (dy**2 + dx**2 < 1.3 * size**2) & (dy**2 + dx**2 > 0.4 * size**2),
            (np.minimum(dy, dx) < 0.35 * size) & (np.maximum(dy, dx) < 1.2 * size),
        ][label]
        images[index] = (inside * chance.uniform(150, 250))[..., None]
    return images, labels.astype(np.int64)


def make_dataset(cache, *, labelled=True, train=300, reference=150, channels=1, side=SIDE):
    sides = [
        Split(images, labels if labelled else None)
        for images, labels in (
            draw_shapes(train, 1, channels, side),
            draw_shapes(reference, 2, channels, side),
        )
    ]
    return ImageDataset(
        train=sides[0],
        reference=sides[1],
        class_names=("disc", "ring", "cross") if labelled else (),
        fingerprint=f"shapes {labelled} {train} {reference} {channels} {side}",
        report={},
        cache=Path(cache),
    )


@pytest.fixture(scope="session")
def build_dataset():
    return make_dataset


@pytest.fixture(scope="session")
def shapes():
    return draw_shapes


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("unlabelled"), labelled=False)


@pytest.fixture(scope="session")
def points(tmp_path_factory):
    """Two Gaussian clouds in the plane, labelled."""

    def side(seed):
        chance = np.random.default_rng(seed)
        labels = np.arange(600) % 2
        centres = np.array([[-2.0, 0.0], [2.0, 0.0]])[labels]
        return Split((centres + 0.5 * chance.standard_normal((600, 2))).astype(np.float32), labels)

    return PointDataset(
        train=side(1),
        reference=side(2),
        class_names=("left", "right"),
        fingerprint="clouds",
        report={},
        cache=tmp_path_factory.mktemp("points"),
    )


@pytest.fixture(scope="session")
def quick():
    """Settings that take seconds."""
    return Config(num=100, draws=6, bootstrap=40, feature_images=16_000)
