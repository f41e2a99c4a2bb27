"""Reads objects off a picture of a scene by rules alone: no network, and no word of its caption.

Every pixel is how much of the colour covers it whose direction from the ground it lies nearest to.
What one colour covers by more than half, connected, is an object; the pixels that touch it and are
not of another colour belong to it, too. Its size is how many pixels it covers, its place is their
mean, and its shape is the one that, drawn there as large, differs least from what is seen. What
differs too much from every shape has none, and what differs too much from every colour has none: a
picture that is no scene is not read as one.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Blobs:
    """What is connected in some pictures, M in all; x, y and radius are in pixels.

    `owner` (N, side, side) is 0, or the number and 1 of the blob that a pixel belongs to, and
    `cover` how far that blob's colour covers the pixel. `picture`, `colour`, `radius` (of the
    circle as large), `x`, `y` and `distance`, the levels between a blob and its colour, are (M,).
    """

    owner: np.ndarray
    cover: np.ndarray
    picture: np.ndarray
    colour: np.ndarray
    radius: np.ndarray
    x: np.ndarray
    y: np.ndarray
    distance: np.ndarray


def _read(pictures: np.ndarray) -> list[list[Thing]]:
    blobs, side = _blobs(pictures), pictures.shape[1]
    kept = np.flatnonzero(blobs.radius >= np.sqrt(LEAST) * RADII.min() * side)
    kept = kept[np.argsort(blobs.x[kept], kind="stable")]
    shapes = _shapes(blobs, kept)
    sizes = np.searchsorted(SIZE_BORDERS, blobs.radius[kept] / side)
    found: list[list[Thing]] = [[] for _ in pictures]
    for number, shape, size in zip(kept, shapes, sizes, strict=True):
        is_known = blobs.distance[number] <= FARTHEST
        found[blobs.picture[number]].append(
            Thing(
                shape=SHAPE_WORDS[shape] if shape >= 0 else None,
                colour=COLOUR_WORDS[blobs.colour[number]] if is_known else None,
                size=SIZE_WORDS[size],
                x=float(blobs.x[number] / side),
                y=float(blobs.y[number] / side),
            )
        )
    return found


def _blobs(pictures: np.ndarray) -> Blobs:
    """What is connected in the pictures, and the sums over each."""
    levels = pictures.astype(np.float32) - GROUND
    along = levels @ (PALETTE / LENGTHS[:, None]).T
    colour = ndimage.gaussian_filter(along, (0, SMOOTH, SMOOTH, 0), truncate=2).argmax(axis=-1)
    owner, colours = _owners(colour, _covered(along, colour))
    cover = np.minimum(_covered(along, colours[owner - 1]), BRIGHTEST) * (owner > 0)
    picture, row, column = np.nonzero(owner)
    numbers, share = owner[owner > 0] - 1, cover[owner > 0].astype(np.float64)
    own, count = levels[owner > 0], len(colours) - 1

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(numbers, weights=values, minlength=count)

    area = np.maximum(summed(share), SOLID)  # what is darker than the ground covers less than 0
    mean = np.stack([summed(own[:, channel]) for channel in range(3)], axis=1) / area[:, None]
    which = np.zeros(count, dtype=np.int64)
    which[numbers] = picture
    return Blobs(
        owner=owner,
        cover=cover,
        picture=which,
        colour=colours[:-1],
        radius=np.sqrt(area / np.pi),
        x=summed(share * (column + 0.5)) / area,
        y=summed(share * (row + 0.5)) / area,
        distance=np.linalg.norm(mean - PALETTE[colours[:-1]], axis=1),
    )


def _covered(along: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """How far each pixel is covered by the colour of that number."""
    length = np.take_along_axis(along, colour[..., None], axis=-1)[..., 0]
    covered: np.ndarray = length / LENGTHS[colour]
    return covered


def _owners(colour: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The blob that each pixel belongs to (0: none, else its number and 1), and their colours.

    The last of these is -1, for what belongs to none.
    """
    owner, colours = np.zeros(colour.shape, dtype=np.int64), list[int]()
    for number in range(len(COLOURS)):
        inside, count = ndimage.label((colour == number) & (cover > SOLID), TOUCHING)
        owner[inside > 0] = inside[inside > 0] + len(colours)
        colours += [number] * count
    known = np.array([*colours, -1], dtype=np.int64)
    beside = ndimage.maximum_filter(owner, size=(1, 3, 3))
    is_others = (cover > CLEAR) & (known[beside - 1] != colour)
    return np.where((owner == 0) & ~is_others, beside, owner), known


def _shapes(blobs: Blobs, kept: np.ndarray) -> np.ndarray:
    """The number of each kept blob's shape, -1 where it is none of them."""
    side = blobs.owner.shape[1]
    reach = int(np.ceil(REACH * RADII.max() * np.sqrt(MOST) * side)) + 1
    ahead = np.arange(2 * reach + 1)
    padding = ((0, 0), (reach, reach), (reach, reach))
    x, y, radius = blobs.x[kept], blobs.y[kept], blobs.radius[kept]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    window = (
        blobs.picture[kept, None, None],
        (top[:, None] + ahead)[:, :, None],
        (left[:, None] + ahead)[:, None, :],
    )
    is_own = np.pad(blobs.owner, padding)[window] == kept[:, None, None] + 1
    seen = np.where(is_own, np.pad(blobs.cover, padding)[window], 0)
    differences = []
    for number in range(len(SHAPES)):
        shape = np.full(len(kept), number)
        drawn = patches(shape, x - left + reach, y - top + reach, radius, len(ahead))
        differences.append(((seen - drawn) ** 2).sum(axis=(1, 2)))
    least = np.min(differences, axis=0)
    is_one = (least <= TOLERANCE * radius) & (radius <= RADII.max() * np.sqrt(MOST) * side)
    return np.where(is_one, np.argmin(differences, axis=0), -1)
