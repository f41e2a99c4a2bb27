"""Digits that move evenly and bounce off the walls: the law, and how a frame of it is drawn.

Positions are (x, y) in pixels from the upper left corner of a frame, y downwards, of the upper left
corner of a digit's square of `SIDE` pixels. The walls are met by ink, not by the square: each axis
of each digit has its own reach from `low` to `high`. Times count in frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRAME, SIDE, CELLS = 32, 14, 8  # pixels of a frame and of a digit in it; cells of a digit as stored
SCALE = SIDE / CELLS
INK = 64  # of 255: a cell this dark meets a wall


@dataclass(frozen=True, eq=False)
class Motion:
    """Of N digits, each (N, 2): where they start, pixels a frame, and how far they can go."""

    start: np.ndarray
    velocity: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def positions(self, times: np.ndarray) -> np.ndarray:
        """Where the digits are at `times` (T,), (N, T, 2): an even motion, folded at the walls.

        Between walls a distance d apart the unfolded path u is back where it was after 2 d, and is
        d - |(u mod 2 d) - d| from the lower wall.
        """
        reach = (self.high - self.low)[:, None]
        path = (self.start - self.low)[:, None] + self.velocity[:, None] * times[:, None]
        return self.low[:, None] + reach - np.abs(path % (2 * reach) - reach)

    def bounces(self, until: float) -> np.ndarray:
        """How often each has met a wall by the time `until`, (N,)."""
        reach = self.high - self.low
        end = (self.start - self.low + self.velocity * until) / reach
        return np.abs(np.floor(end)).astype(int).sum(axis=1)

    def taken(self, chosen: np.ndarray | slice) -> Motion:
        """Those of the numbers `chosen`."""
        return Motion(*(part[chosen] for part in self.arrays))

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.start, self.velocity, self.low, self.high


def reach_of(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest position of digits (N, 8, 8), (N, 2): there ink is at a wall."""
    low, high = [], []
    for axis in (1, 2):  # ink in a column is found along the rows, and the other way round
        is_ink: np.ndarray = np.any(digits >= INK, axis=axis)
        low.append(-is_ink.argmax(axis=1) * SCALE)
        high.append(FRAME - (CELLS - is_ink[:, ::-1].argmax(axis=1)) * SCALE)
    return np.stack(low, axis=1), np.stack(high, axis=1)


def render(digits: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Frames of digits (N, 8, 8) at positions (N, T, 2), uint8 (N, T, 32, 32, 1).

    A pixel is the digit read bilinearly at its middle, black beyond it: it changes smoothly with
    any part of a pixel the digit moves.
    """
    across, down = (read_cells(positions[..., axis]) for axis in (0, 1))
    frames = down @ digits.astype(np.float32)[:, None] @ across.swapaxes(-1, -2)
    return np.rint(frames.clip(0, 255)).astype(np.uint8)[..., None]


def read_cells(corner: np.ndarray) -> np.ndarray:
    """How much of each cell each pixel reads along one axis, (…, 32, 8), of squares at `corner`."""
    middles = (np.arange(FRAME) + 0.5 - corner[..., None]) / SCALE - 0.5
    distance = np.abs(middles[..., None] - np.arange(CELLS))
    return (1 - distance).clip(min=0).astype(np.float32)
