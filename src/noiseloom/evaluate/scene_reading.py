"""Reads objects off a picture of a scene by rules alone: no network, and no word of its caption.

Every pixel is how much of the colour covers it whose direction from the ground it lies nearest to.
What one colour covers by more than half, connected, is an object; the pixels that touch it and are
not of another colour belong to it, too. Its size is how many pixels it covers, its place is their
mean, and its shape is the one that, drawn there as large, differs least from what is seen. What
differs too much from every shape has none, and what differs too much from every colour has none: a
picture that is no scene is not read as one.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from noiseloom.data.scene.arranging import RADII, SIZE_WORDS
from noiseloom.data.scene.colours import COLOURS, GROUND
from noiseloom.data.scene.drawing import PALETTE, patches
from noiseloom.data.scene.shapes import REACH, SHAPES
from noiseloom.data.scene.world import Thing

CHUNK = 250  # pictures read at once
SOLID, CLEAR = 0.5, 0.25  # covered by more is inside of an object; is of a colour beyond doubt
SMOOTH = 0.7  # pixels that a colour is told over: one alone may be of another by its noise
BRIGHTEST = 1.2  # more than a colour itself is no more cover
LEAST, MOST = 0.4, 2.0  # of the smallest and the largest object's area: less is a speck and not an
# object, more is a blot of no shape
FARTHEST = 60.0  # levels between an object's colour and the one it is called
TOLERANCE = 0.8  # the summed squared difference from a shape, over the radius
COLOUR_WORDS, SHAPE_WORDS = tuple(COLOURS), tuple(SHAPES)
LENGTHS = np.linalg.norm(PALETTE, axis=1)
SIZE_BORDERS = np.sqrt(RADII[1:] * RADII[:-1])
TOUCHING = np.zeros((3, 3, 3), dtype=bool)  # of pixels of one picture, also by their corners
TOUCHING[1] = True


def read_pictures(pictures: np.ndarray) -> list[list[Thing]]:
    """The objects in each of the pictures (N, side, side, 3) uint8, from left to right."""
    found: list[list[Thing]] = []
    for first in range(0, len(pictures), CHUNK):
        found += _read(np.asarray(pictures[first : first + CHUNK]))
    return found


def _read(pictures: np.ndarray) -> list[list[Thing]]:
    levels = pictures.astype(np.float32) - GROUND
    along = levels @ (PALETTE / LENGTHS[:, None]).T
    colour = ndimage.gaussian_filter(along, (0, SMOOTH, SMOOTH, 0), truncate=2).argmax(axis=-1)
    cover = np.take_along_axis(along, colour[..., None], axis=-1)[..., 0] / LENGTHS[colour]
    owner, colours = _objects(colour, cover)
    called = colours[owner - 1]  # the colour of a pixel's object, of no meaning where there is none
    own = np.take_along_axis(along, called[..., None], axis=-1)[..., 0] / LENGTHS[called]
    cover = np.where(owner > 0, np.minimum(own, BRIGHTEST), 0)
    area, x, y, distance = _sums(owner, len(colours) - 1, levels, cover, colours[:-1])
    side = pictures.shape[1]
    kept = np.flatnonzero(area >= LEAST * np.pi * (RADII.min() * side) ** 2)
    radius = np.sqrt(area[kept] / np.pi)
    which = ndimage.minimum(  # the picture of each object
        np.broadcast_to(np.arange(len(pictures))[:, None, None], owner.shape), owner, kept + 1
    ).astype(np.int64)
    shapes = _shapes(owner, cover, kept, which, x[kept], y[kept], radius)
    sizes = np.searchsorted(SIZE_BORDERS, radius / side)
    is_known = distance[kept] <= FARTHEST
    found: list[list[Thing]] = [[] for _ in pictures]
    for place in np.argsort(x[kept], kind="stable"):
        number = kept[place]
        found[which[place]].append(
            Thing(
                shape=SHAPE_WORDS[shapes[place]] if shapes[place] >= 0 else None,
                colour=COLOUR_WORDS[colours[number]] if is_known[place] else None,
                size=SIZE_WORDS[sizes[place]],
                x=float(x[number] / side),
                y=float(y[number] / side),
            )
        )
    return found


def _objects(colour: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which object each pixel belongs to (0: none, else its number and 1), and their colours."""
    owner, colours = np.zeros(colour.shape, dtype=np.int64), list[int]()
    for number in range(len(COLOURS)):
        inside, count = ndimage.label((colour == number) & (cover > SOLID), TOUCHING)
        owner[inside > 0] = inside[inside > 0] + len(colours)
        colours += [number] * count
    known = np.array([*colours, -1], dtype=np.int64)
    beside = ndimage.maximum_filter(owner, size=(1, 3, 3))
    is_others = (cover > CLEAR) & (known[beside - 1] != colour)
    return np.where((owner == 0) & ~is_others, beside, owner), known


def _sums(
    owner: np.ndarray, count: int, levels: np.ndarray, cover: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each object its area, x and y in pixels, and how far off its colour is, in levels."""
    at = owner > 0
    numbers, share = owner[at] - 1, cover[at].astype(np.float64)
    row, column = np.nonzero(at)[1:]

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(numbers, weights=values, minlength=count)

    area = summed(share)
    x, y = summed(share * (column + 0.5)) / area, summed(share * (row + 0.5)) / area
    own = np.stack([summed(levels[at][:, channel]) for channel in range(3)], axis=1)
    return area, x, y, np.linalg.norm(own / area[:, None] - PALETTE[colours], axis=1)


def _shapes(
    owner: np.ndarray,
    cover: np.ndarray,
    kept: np.ndarray,
    which: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    radius: np.ndarray,
) -> np.ndarray:
    """The number of each object's shape, -1 where it is none of them."""
    side = owner.shape[1]
    reach = int(np.ceil(REACH * RADII.max() * np.sqrt(MOST) * side)) + 1
    ahead = np.arange(2 * reach + 1)
    padding = ((0, 0), (reach, reach), (reach, reach))
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    window = (
        which[:, None, None],
        (top[:, None] + ahead)[:, :, None],
        (left[:, None] + ahead)[:, None, :],
    )
    is_own = np.pad(owner, padding)[window] == kept[:, None, None] + 1
    seen = np.where(is_own, np.pad(cover, padding)[window], 0)
    differences = []
    for number in range(len(SHAPES)):
        shape = np.full(len(x), number)
        drawn = patches(shape, x - left + reach, y - top + reach, radius, len(ahead))
        differences.append(((seen - drawn) ** 2).sum(axis=(1, 2)))
    least = np.min(differences, axis=0)
    is_one = (least <= TOLERANCE * radius) & (radius <= RADII.max() * np.sqrt(MOST) * side)
    return np.where(is_one, np.argmin(differences, axis=0), -1)
