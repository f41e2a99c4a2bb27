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
from noiseloom.data.dataset import Gaussians, PointDataset, Split
from noiseloom.data.prepared import LEARNED, cache_root, fingerprint_of

MIXTURE_COMPONENTS, MIXTURE_RADIUS, MIXTURE_STD = 8, 1.4, 0.12
NODES_PER_STD = 3.0  # on a curve with noise round it, so many for each deviation of its length
FULL_TURN = 3 * np.pi  # of a spiral's arm
MOST_NODES = 4_000  # of a curve; one with less noise is no mixture of that few

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

    def gaussians(self) -> Gaussians | None:
        """What the points are drawn from, as `data.dataset.KnowsDensity` says."""
        return DENSITIES[self.shape](self.noise) if self.shape in DENSITIES else None

    def _split(self, part: int) -> Split:
        points, labels = SHAPES[self.shape](
            self.num, self.noise, np.random.default_rng([self.seed, part])
        )
        return Split(points.astype(np.float32), labels)


def two_moons(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """Two half circles of radius 1 that reach into each other."""
    labels = random.integers(0, 2, num)
    points = _moons(np.pi * random.random(num), labels)
    return points + noise * random.standard_normal((num, 2)), labels


def _moons(angle: np.ndarray, labels: np.ndarray) -> np.ndarray:
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(labels[:, None] == 0, upper, [1.0, 0.5] - upper)
    return points - [0.5, 0.25]


def spirals(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """Two arms of one and a half turns, even along their length."""
    labels = random.integers(0, 2, num)
    points = _arms(FULL_TURN * np.sqrt(random.random(num)), labels)
    return points + noise * random.standard_normal((num, 2)), labels


def _arms(turn: np.ndarray, labels: np.ndarray) -> np.ndarray:
    radius = turn / FULL_TURN * 2
    arm = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.where(labels[:, None] == 0, arm, -arm)


def checkerboard(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """The eight dark squares of a 4 x 4 board from -2 to 2, evenly; no labels."""
    column, row = random.integers(0, 4, num), 2 * random.integers(0, 2, num)
    corner = np.stack([column, row + column % 2], axis=1) - 2
    return corner + random.random((num, 2)), None


def gaussian_mixture(num: int, noise: float, random: np.random.Generator) -> Drawn:
    """Eight equal Gaussians on a circle, labelled counter-clockwise."""
    labels = random.integers(0, MIXTURE_COMPONENTS, num)
    return _centres()[labels] + MIXTURE_STD * random.standard_normal((num, 2)), labels


def _centres() -> np.ndarray:
    angle = 2 * np.pi * np.arange(MIXTURE_COMPONENTS) / MIXTURE_COMPONENTS
    return MIXTURE_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)


SHAPES: dict[str, Callable[[int, float, np.random.Generator], Drawn]] = {
    "two-moons": two_moons,
    "spirals": spirals,
    "checkerboard": checkerboard,
    "gaussian-mixture": gaussian_mixture,
}


def two_moons_density(noise: float) -> Gaussians | None:
    """The noise along both half circles, evenly."""
    return _along(_moons, np.pi, 1.0, noise, lambda angle: np.ones_like(angle))


def spirals_density(noise: float) -> Gaussians | None:
    """The noise along both arms; an angle is as frequent as it is large."""
    speed = 2 / FULL_TURN * float(np.hypot(1, FULL_TURN))  # at the outer end
    return _along(_arms, FULL_TURN, speed, noise, lambda turn: turn)


def gaussian_mixture_density(noise: float) -> Gaussians:
    """The eight as they are."""
    each = np.ones(MIXTURE_COMPONENTS)
    labels = np.arange(MIXTURE_COMPONENTS)
    return Gaussians(_centres(), MIXTURE_STD * each, each / MIXTURE_COMPONENTS, labels)


def _along(
    curve: Callable[[np.ndarray, np.ndarray], np.ndarray],
    length: float,
    speed: float,
    noise: float,
    often: Callable[[np.ndarray], np.ndarray],
) -> Gaussians | None:
    """Noise round two curves over [0, length], a class each: the integral by Gauss and Legendre.

    Gaussians nearer to one another than their deviation add up to it to rounding. `speed` is how
    far a curve goes for a step of 1, at most; `often` how frequent each place is, unscaled. None
    where the noise is so little that this takes more than `MOST_NODES`.
    """
    if noise * MOST_NODES < NODES_PER_STD * length * speed:
        return None
    num = max(64, int(np.ceil(NODES_PER_STD * length * speed / noise)))
    nodes, weights = np.polynomial.legendre.leggauss(num)
    places = (nodes + 1) * length / 2
    weights = weights * often(places)
    both, labels = np.concatenate([places, places]), np.repeat([0, 1], num)
    weights = np.concatenate([weights, weights]) / (2 * weights.sum())
    return Gaussians(curve(both, labels), np.full(2 * num, noise), weights, labels)


DENSITIES: dict[str, Callable[[float], Gaussians | None]] = {
    "two-moons": two_moons_density,
    "spirals": spirals_density,
    "gaussian-mixture": gaussian_mixture_density,
}
