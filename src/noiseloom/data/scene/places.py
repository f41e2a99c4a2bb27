"""Where objects stand: four places, and how one object stands to another.

x and y are those of the centre of mass, from 0 to 1 across and down the picture. A scene keeps
clear of the border between two answers by a margin; a picture is judged by the border itself.
"""

from __future__ import annotations

import numpy as np

PLACE_MARGIN = 0.05  # from the picture's middle lines
RELATION_MARGIN = 0.1  # by which one of the two distances is the larger
PLACES = ("top left", "top right", "bottom left", "bottom right")


def place_of(x: float, y: float) -> str:
    """The quarter of the picture that holds the point."""
    return f"{'top' if y < 0.5 else 'bottom'} {'left' if x < 0.5 else 'right'}"


def relation_of(dx: float, dy: float) -> str:
    """How an object stands that is (dx, dy) away from another: by the larger of the two."""
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "above" if dy < 0 else "below"


def is_clear(dx: float, dy: float) -> bool:
    """Whether nobody would doubt the answer of `relation_of`."""
    return abs(abs(dx) - abs(dy)) >= RELATION_MARGIN


def has_clear_place(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether nobody would doubt the answer of `place_of`."""
    return (abs(x - 0.5) >= PLACE_MARGIN) & (abs(y - 0.5) >= PLACE_MARGIN)
