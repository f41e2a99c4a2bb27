"""Shapes as the width of their rows: exact coverage along a row, and areas that do not differ.

Lengths are in units of `radius`, that of the circle of the same area: whatever its shape, an object
of one size covers as many pixels. y points down and counts from the centre of mass. Every shape is
its own mirror image left-right and one stretch wide in each row, so that a function of y is all
there is to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

HalfWidth = Callable[[np.ndarray], np.ndarray]  # of rows at y; below 0 outside


@dataclass(frozen=True)
class Shape:
    """Half the width of a row at y, and how far the shape reaches from its centre of mass."""

    half_width: HalfWidth
    across: float
    up: float
    down: float


SQUARE = math.sqrt(math.pi) / 2  # half a side
TRIANGLE = math.sqrt(4 * math.pi / (3 * math.sqrt(3)))  # from its centre to a corner
SLENDER = 1.4  # a diamond is as much higher than wide: at 1 it is hard to tell from a circle
DIAMOND = math.sqrt(math.pi / 2 * SLENDER)  # half its height
CROSS = math.sqrt(9 * math.pi / 20)  # half its length; its arms are a third as wide


def _circle(y: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(1 - y**2, 0))


def _square(y: np.ndarray) -> np.ndarray:
    return np.where(abs(y) < SQUARE, SQUARE, -1.0)


def _triangle(y: np.ndarray) -> np.ndarray:
    return np.where(y < TRIANGLE / 2, (y + TRIANGLE) / math.sqrt(3), -1.0)


def _diamond(y: np.ndarray) -> np.ndarray:
    return (DIAMOND - abs(y)) / SLENDER


def _cross(y: np.ndarray) -> np.ndarray:
    arms = np.where(abs(y) < CROSS / 3, CROSS, CROSS / 3)
    return np.where(abs(y) < CROSS, arms, -1.0)


SHAPES: dict[str, Shape] = {
    "circle": Shape(_circle, 1.0, 1.0, 1.0),
    "square": Shape(_square, SQUARE, SQUARE, SQUARE),
    "triangle": Shape(_triangle, TRIANGLE * math.sqrt(3) / 2, TRIANGLE, TRIANGLE / 2),
    "diamond": Shape(_diamond, DIAMOND / SLENDER, DIAMOND, DIAMOND),
    "cross": Shape(_cross, CROSS, CROSS, CROSS),
}
REACH = max(max(shape.across, shape.up, shape.down) for shape in SHAPES.values())
