"""Scenes at random: what stands in each, and where, with nothing touching.

All scenes of a call are drawn together. Where objects of one come too near each other, their
positions are drawn anew; every few times one of them is made smaller, and at last others are taken:
crowded scenes hold smaller objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noiseloom.data.scene.places import has_clear_place
from noiseloom.data.scene.shapes import SHAPES
from noiseloom.data.scene.world import SIZES, Pairs, Thing, World

GAP = 0.055  # between the boxes of two objects, and half of it to the picture's edge
ALIKE = 0.3  # how often an object looks like the one before it, where more than two may be there
TRIES = 24  # places tried for an object at once
SHRINK, RENEW, ROUNDS = 4, 60, 1_200  # rounds until one is smaller, all are others, and the last
EXTENTS = np.array([[s.across, s.up, s.down] for s in SHAPES.values()])
RADII = np.array(list(SIZES.values()))
SIZE_WORDS = tuple(SIZES)


@dataclass(frozen=True)
class Scenes:
    """N scenes of up to K objects: (N, K) numbers each; `shape` is -1 where there is none.

    `shape`, `colour` and `size` count through SHAPES, COLOURS and SIZES; x and y as in `places`.
    """

    world: World
    shape: np.ndarray
    colour: np.ndarray
    size: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.shape)

    def part(self, chosen: slice | np.ndarray) -> Scenes:
        """Some of the scenes."""
        arrays = (self.shape, self.colour, self.size, self.x, self.y)
        return Scenes(self.world, *(array[chosen] for array in arrays))

    def things(self, index: int) -> list[Thing]:
        """The objects of one scene, in words."""
        world = self.world
        rows = zip(
            self.shape[index].tolist(),
            self.colour[index].tolist(),
            self.size[index].tolist(),
            self.x[index].tolist(),
            self.y[index].tolist(),
            strict=True,
        )
        return [
            Thing(
                shape=world.shapes[shape],
                colour=world.colours[colour],
                size=SIZE_WORDS[size],
                x=x,
                y=y,
            )
            for shape, colour, size, x, y in rows
            if shape >= 0
        ]


def draw_scenes(
    world: World, num: int, random: np.random.Generator, pairs: Pairs = "training"
) -> Scenes:
    """`num` scenes of pairs that training may see, or each with a pair at least that it may not.

    Raises ValueError where nothing is held out, and where the world is too crowded.
    """
    count = random.integers(world.fewest, world.most + 1, num)
    is_there = np.arange(world.most) < count[:, None]
    shape, colour = _looks(world, count, random, pairs)
    size = random.choice(world.size_numbers, is_there.shape)
    x, y = np.zeros((2, num, world.most))
    left = np.arange(num)
    for attempt in range(ROUNDS):
        if attempt and attempt % RENEW == 0:
            shape[left], colour[left] = _looks(world, count[left], random, pairs)
        elif attempt and attempt % SHRINK == 0:
            size[left] = _one_smaller(world, size[left], random)
        x[left], y[left], found = _places(shape[left], size[left], is_there[left], random)
        left = left[~found]
        if not len(left):
            return Scenes(world, np.where(is_there, shape, -1), colour, size, x, y)
    raise ValueError(
        f"{world.most} objects of the sizes {', '.join(world.sizes)} find no room beside each "
        "other; allow fewer, or smaller ones"
    )


def fits(scenes: Scenes) -> np.ndarray:
    """Whether every object keeps to the picture, to its own box and to one place, (N,)."""
    is_there = scenes.shape >= 0
    across, up, down = _reach(scenes.shape, scenes.size)
    x, y = scenes.x, scenes.y
    inside = (x >= across) & (x <= 1 - across) & (y >= up) & (y <= 1 - down)
    found = (inside & has_clear_place(x, y) | ~is_there).all(axis=1)
    for k in range(1, x.shape[1]):
        for j in range(k):
            apart = (
                (abs(x[:, k] - x[:, j]) >= across[:, k] + across[:, j])
                | (y[:, j] - y[:, k] >= down[:, k] + up[:, j])
                | (y[:, k] - y[:, j] >= up[:, k] + down[:, j])
            )
            found &= apart | ~is_there[:, k] | ~is_there[:, j]
    return found


def _reach(shape: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far from its centre of mass the box of each object ends: across, up, down."""
    reach = EXTENTS[shape] * RADII[size][..., None] + GAP / 2
    return reach[..., 0], reach[..., 1], reach[..., 2]


def _looks(
    world: World, count: np.ndarray, random: np.random.Generator, pairs: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """Shape and colour of every object, (N, K)."""
    shape_of = {shape: index for index, shape in enumerate(world.shapes)}
    colour_of = {colour: index for index, colour in enumerate(world.colours)}
    chosen = world.training_pairs if pairs == "training" else world.pairs
    numbers = np.array([(colour_of[colour], shape_of[shape]) for colour, shape in chosen])
    num, most = len(count), world.most
    drawn = numbers[random.integers(0, len(numbers), (num, most))]
    if most > 2:
        alike = random.random((num, most)) < ALIKE
        for k in range(1, most):
            drawn[:, k] = np.where(alike[:, k, None], drawn[:, k - 1], drawn[:, k])
    if pairs == "held-out":
        if not world.held_out:
            raise ValueError("scenes with a held-out pair were asked for, and no pair is held out")
        held = np.array([(colour_of[colour], shape_of[shape]) for colour, shape in world.held_out])
        which = (random.random(num) * count).astype(np.int64)
        drawn[np.arange(num), which] = held[random.integers(0, len(held), num)]
    return drawn[..., 1], drawn[..., 0]


def _one_smaller(world: World, size: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Sizes (N, K) of which one of each row is the next smaller that `world` has, if any."""
    numbers, rows = np.array(world.size_numbers), np.arange(len(size))
    which = random.integers(0, size.shape[1], len(size))
    smaller = size.copy()
    at = np.searchsorted(numbers, size[rows, which])
    smaller[rows, which] = numbers[np.maximum(at - 1, 0)]
    return smaller


def _places(
    shape: np.ndarray, size: np.ndarray, is_there: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x and y (N, K) of one object after the other, and whether all of a scene found room (N,)."""
    across, up, down = _reach(shape, size)
    num, most = shape.shape
    x, y = np.zeros((2, num, most))
    found = np.ones(num, dtype=bool)
    rows = np.arange(num)
    for k in range(most):
        own_across, own_up, own_down = (reach[:, k, None] for reach in (across, up, down))
        tried_x = own_across + (1 - 2 * own_across) * random.random((num, TRIES))
        tried_y = own_up + (1 - own_up - own_down) * random.random((num, TRIES))
        is_free = has_clear_place(tried_x, tried_y)
        for j in range(k):
            beside = abs(tried_x - x[:, j, None]) >= own_across + across[:, j, None]
            above = y[:, j, None] - tried_y >= own_down + up[:, j, None]
            below = tried_y - y[:, j, None] >= own_up + down[:, j, None]
            is_free &= beside | above | below
        first = is_free.argmax(axis=1)
        x[:, k], y[:, k] = tried_x[rows, first], tried_y[rows, first]
        found &= is_free[rows, first] | ~is_there[:, k]
    return x, y, found
