"""Points in the plane drawn from shapes that are easy to see: the smallest data there is.

Each shape is centred and about as wide as a standard normal. `reference` holds as many other points
of the same shape. Made in memory at every opening; a shape is a function in `SHAPES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from noiseloom.config import option
from noiseloom.data.content import Progress
from noiseloom.data.dataset import PointDataset, Split
from noiseloom.data.prepared import LEARNED, cache_root, fingerprint_of

MIXTURE_COMPONENTS, MIXTURE_RADIUS, MIXTURE_STD = 8, 1.4, 0.12

Drawn = tuple[np.ndarray, np.ndarray | None]  # points (n, 2) in float64, labels


@dataclass(frozen=True, kw_only=True)
class Config:
    """2-D points of a known shape."""

    shape: Literal["two-moons", "spirals", "checkerboard", "gaussian-mixture"] = option(
        "two-moons", "what the points lie on"
    )
    num: int = option(10_000, "points to train on, and as many in the reference")
    seed: int = option(0, "which draw of them")
    noise: float = option(
        0.05, "standard deviation of the noise round moons and spirals; the others have none to set"
    )
    cache: str | None = option(None, "folder for what is learned; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if self.num < 2 or self.seed < 0 or not 0 <= self.noise < 10:
            raise ValueError(
                f"num {self.num}, seed {self.seed} and noise {self.noise} are given; allowed is "
                "num of at least 2, seed from 0 and noise from 0 to below 10"
            )

    def describe_source(self) -> str:
        """The source in a few words."""
        return f"{self.shape}, {self.num:,} points"

    def open(self, progress: Progress | None = None) -> PointDataset:
        """Draw the points."""
        train, reference = self._split(0), self._split(1)
        names: tuple[str, ...] = ()
        if train.labels is not None:
            names = tuple(str(label) for label in range(int(train.labels.max()) + 1))
        fingerprint = fingerprint_of(train, reference, names)
        report = {
            "source": self.describe_source(),
            "kind": "points made up",
            "counts": {"used": 2 * self.num, "train": self.num, "reference": self.num},
            "reference": "as many other points of the same shape",
            "item_shape": [2],
            "fingerprint": fingerprint,
            "notes": [],
            "warnings": [],
        }
        return PointDataset(
            train=train,
            reference=reference,
            class_names=names,
            fingerprint=fingerprint,
            report=report,
            cache=cache_root(self.cache) / fingerprint[:32] / LEARNED,
        )

    def _split(self, part: int) -> Split:
        points, labels = SHAPES[self.shape](
            self.num, self.noise, np.random.default_rng([self.seed, part])
        )
        return Split(points.astype(np.float32), labels)


def two_moons(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """Two half circles of radius 1 that reach into each other."""
    labels = random.integers(0, 2, num)
    angle = np.pi * random.random(num)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(labels[:, None] == 0, upper, [1.0, 0.5] - upper)
    return points - [0.5, 0.25] + noise * random.standard_normal((num, 2)), labels


def spirals(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """Two arms of one and a half turns, even along their length."""
    labels = random.integers(0, 2, num)
    turn = 3 * np.pi * np.sqrt(random.random(num))
    radius = turn / (3 * np.pi) * 2
    arm = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points = np.where(labels[:, None] == 0, arm, -arm)
    return points + noise * random.standard_normal((num, 2)), labels


def checkerboard(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """The eight dark squares of a 4 x 4 board from -2 to 2, evenly; no labels."""
    column, row = random.integers(0, 4, num), 2 * random.integers(0, 2, num)
    corner = np.stack([column, row + column % 2], axis=1) - 2
    return corner + random.random((num, 2)), None


def gaussian_mixture(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """Eight equal Gaussians on a circle, labelled counter-clockwise."""
    labels = random.integers(0, MIXTURE_COMPONENTS, num)
    angle = 2 * np.pi * labels / MIXTURE_COMPONENTS
    centres = MIXTURE_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centres + MIXTURE_STD * random.standard_normal((num, 2)), labels


SHAPES: dict[str, Callable[[int, float, np.random.Generator], Drawn]] = {
    "two-moons": two_moons,
    "spirals": spirals,
    "checkerboard": checkerboard,
    "gaussian-mixture": gaussian_mixture,
}
