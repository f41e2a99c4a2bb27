"""Aspect buckets: a few shapes of about one area, so that images of any aspect lose little.

Sides are multiples of `step` pixels. For each height the shape is as wide as the area allows, and
no side is more than `LONGEST` times the other. An image belongs to the shape of nearest aspect, by
its logarithm: the one that cuts least of it away. Shapes that few images belong to are left out,
and then those whose loss costs the others least, until no more than wanted are left.

Shapes are (height, width), in pixels; sizes of images are (width, height), as Pillow has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LONGEST = 2.0  # the longer side of a shape over the shorter, at most
FEWEST, FEWEST_SHARE = 16, 0.01  # images of a shape, and their share of all: fewer move on

Shape = tuple[int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class Buckets:
    """How images are to be shared out: into how many shapes at most, of sides of which step."""

    most: int
    step: int

    def sorted(self, side: int, trained: Counter[Size], every: Counter[Size]) -> Sorted:
        """The shapes of the area of `side` squared that suit images of the sizes `trained` on.

        `every` are the sizes of all images, to be sorted by these shapes.
        """
        shapes = self.chosen(side, trained)
        return Sorted(shapes, {size: nearest(size, shapes) for size in every}, side)

    def chosen(self, side: int, sizes: Counter[Size]) -> list[Shape]:
        """The shapes that suit images of these sizes, the one that most belong to first."""
        shapes, images = candidates(side, self.step), np.array(list(sizes.values()))
        cut = np.array([[cut_away(size, shape) for shape in shapes] for size in sizes])
        least = max(FEWEST, FEWEST_SHARE * images.sum())
        kept = list(range(len(shapes)))
        while True:
            counts = np.bincount(_nearest(cut[:, kept]), images, len(kept))
            if len(kept) > 1 and counts.min() < least:
                kept.pop(int(counts.argmin()))
            elif len(kept) > self.most:
                without = [np.delete(cut[:, kept], place, axis=1) for place in range(len(kept))]
                costs = [float(images @ rest.min(axis=1)) for rest in without]
                kept.pop(int(np.argmin(costs)))
            else:
                return [shapes[kept[place]] for place in np.argsort(-counts, kind="stable")]


@dataclass(frozen=True)
class Sorted:
    """Which of the `shapes` images of each size belong to; `side` is that of the square instead."""

    shapes: list[Shape]
    of: dict[Size, Shape]
    side: int

    @property
    def canvas(self) -> Shape:
        """The smallest shape in which each of them has a place."""
        return max(height for height, _ in self.shapes), max(width for _, width in self.shapes)

    def found(self, sizes: Counter[Size]) -> dict[str, Any]:
        """What became of images of these sizes, for the data's report."""
        number, square = max(1, sizes.total()), (self.side, self.side)
        counts = Counter[Shape]()
        for size, images in sizes.items():
            counts[self.of[size]] += images
        lost, lost_to_square = (
            sum(images * cut_away(size, shape(size)) for size, images in sizes.items()) / number
            for shape in (self.of.__getitem__, lambda size: square)
        )
        return {
            "buckets": {in_words(shape): counts[shape] for shape in self.shapes},
            "cut_away": lost,
            "cut_away_to_squares": lost_to_square,
            "cropped": sum(n for size, n in sizes.items() if cut_away(size, self.of[size]) > 1e-9),
            "enlarged": sum(
                images
                for (width, height), images in sizes.items()
                if height < self.of[width, height][0] or width < self.of[width, height][1]
            ),
        }


def candidates(side: int, step: int) -> list[Shape]:
    """Every shape of at most the area of `side` squared that buckets are chosen from."""
    upright = [
        (height, side * side // height // step * step)
        for height in range(step, int(LONGEST * side) + 1, step)
    ]
    both = {shape for height, width in upright for shape in ((height, width), (width, height))}
    return sorted(shape for shape in both if 0 < max(shape) <= LONGEST * min(shape))


def nearest(size: Size, shapes: Sequence[Shape]) -> Shape:
    """The shape that an image of this size belongs to."""
    return shapes[int(_nearest(np.array([[cut_away(size, shape) for shape in shapes]]))[0])]


def cut_away(size: Size, shape: Shape) -> float:
    """The share of an image's pixels that is lost where its middle of that aspect is kept."""
    (width, height), (high, wide) = size, shape
    kept = width * high / (height * wide)
    return 1 - min(kept, 1 / kept)


def in_words(shape: Shape) -> str:
    """As one types it: `HEIGHTxWIDTH`."""
    return f"{shape[0]}x{shape[1]}"


def _nearest(cut: np.ndarray) -> np.ndarray:
    """The column of least, and of equals the first, of each row."""
    return cut.round(12).argmin(axis=1)
