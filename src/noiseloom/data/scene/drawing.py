"""Scenes as pictures, anti-aliased and at any sub-pixel place, with the mask of each object.

The share of a pixel that an object covers is exact along its row, and down it the sum over `LINES`
lines, of which the first and the last count as far as the object reaches into them. Objects do not
overlap, so that a picture is its ground and, by its mask, each object's colour.
"""

from __future__ import annotations

import numpy as np

from noiseloom.data.scene.arranging import EXTENTS, RADII, Scenes
from noiseloom.data.scene.colours import COLOURS, GROUND
from noiseloom.data.scene.shapes import REACH, SHAPES

LINES = 8
CHUNK = 100  # scenes drawn at once: what they need then fits a cache
PALETTE = np.array(list(COLOURS.values()), dtype=np.float32) - GROUND


def patches(
    shape: np.ndarray, x: np.ndarray, y: np.ndarray, radius: np.ndarray, width: int
) -> np.ndarray:
    """The covered share (M, width, width) of the pixels of a patch each, float32.

    x, y and `radius` (M,) are in pixels of the patch, from its upper left corner.
    """
    lines = (np.arange(width * LINES, dtype=np.float32) + 0.5) / LINES
    reach = EXTENTS[shape] * radius[:, None]
    top, bottom = (y - reach[:, 1])[:, None], (y + reach[:, 2])[:, None]
    inside = np.minimum(lines + 0.5 / LINES, bottom) - np.maximum(lines - 0.5 / LINES, top)
    share = np.maximum(inside, 0).astype(np.float32)  # of a pixel that a line stands for
    rows = (np.clip(lines, top, bottom) - y[:, None]) / radius[:, None] * (1 - 1e-6)
    half = np.empty(rows.shape, dtype=np.float32)
    for number, one in enumerate(SHAPES.values()):
        mine = shape == number
        half[mine] = np.maximum(one.half_width(rows[mine]), 0)
    half *= radius[:, None].astype(np.float32)
    left = (x[:, None] - half).astype(np.float32)[..., None]
    right = (x[:, None] + half).astype(np.float32)[..., None]
    borders = np.arange(width + 1, dtype=np.float32)
    before = np.minimum(np.maximum(borders, left), right)  # covered up to a column's border
    before = before.reshape(len(x), width, LINES, width + 1)
    return np.diff((share.reshape(len(x), width, 1, LINES) @ before)[:, :, 0], axis=2)


def masks(scenes: Scenes, side: int) -> np.ndarray:
    """The share of each pixel that each object covers, (N, K, side, side) float32."""
    num, most = scenes.shape.shape
    reach = int(np.ceil(REACH * RADII.max() * side)) + 1
    width = 2 * reach + 1
    canvas = np.zeros((num, most, side + 2 * reach, side + 2 * reach), dtype=np.float32)
    scene, slot = np.nonzero(scenes.shape >= 0)
    x, y = (side * places[scene, slot] for places in (scenes.x, scenes.y))
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    radius = side * RADII[scenes.size[scene, slot]]
    drawn = patches(scenes.shape[scene, slot], x - left + reach, y - top + reach, radius, width)
    ahead = np.arange(width)
    rows, columns = (top[:, None] + ahead)[:, :, None], (left[:, None] + ahead)[:, None, :]
    canvas[scene[:, None, None], slot[:, None, None], rows, columns] = drawn
    return canvas[:, :, reach:-reach, reach:-reach]


def pictures(scenes: Scenes, side: int) -> np.ndarray:
    """The scenes as uint8 (N, side, side, 3)."""
    drawn = np.empty((len(scenes), side, side, 3), dtype=np.uint8)
    for first in range(0, len(scenes), CHUNK):
        part = scenes.part(slice(first, first + CHUNK))
        covered = masks(part, side).reshape(len(part), -1, side * side).transpose(0, 2, 1)
        levels = GROUND + covered @ PALETTE[part.colour]
        drawn[first : first + CHUNK] = np.rint(levels).reshape(-1, side, side, 3)
    return drawn
