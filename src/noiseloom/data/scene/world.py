"""What a set of scenes may hold, and which pairs of colour and shape training never sees."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from noiseloom.data.scene.colours import COLOURS
from noiseloom.data.scene.shapes import SHAPES

Pair = tuple[str, str]  # colour, shape
Pairs = Literal["training", "held-out"]
SIZES = {"small": 0.093, "medium": 0.118, "large": 0.15}  # the radius, of a side of the picture
CHOSEN_SIZES = {1: ("large",), 2: ("small", "large"), 3: ("small", "medium", "large")}
MOST_OBJECTS, MOST_LARGE = 5, 4  # that find room; so many if all are large


@dataclass(frozen=True, kw_only=True)
class Thing:
    """An object in a picture; None is what nobody can tell. x and y as in `places`."""

    shape: str | None
    colour: str | None
    size: str | None
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class World:
    """Shapes, colours and sizes of objects, how many there are, and the pairs held out."""

    shapes: tuple[str, ...]
    colours: tuple[str, ...]
    sizes: tuple[str, ...]
    fewest: int
    most: int
    held_out: tuple[Pair, ...] = ()

    @property
    def room(self) -> int:
        """How many objects find room beside each other."""
        return MOST_LARGE if len(self.sizes) == 1 else MOST_OBJECTS + 1

    @property
    def size_numbers(self) -> list[int]:
        """The places of its sizes among all, in their order."""
        return [number for number, size in enumerate(SIZES) if size in self.sizes]

    @property
    def pairs(self) -> list[Pair]:
        """All pairs of a colour and a shape."""
        return list(product(self.colours, self.shapes))

    @property
    def training_pairs(self) -> list[Pair]:
        """Those that training may see."""
        return [pair for pair in self.pairs if pair not in self.held_out]


def world_of(
    *,
    shapes: int,
    colours: int,
    sizes: int,
    objects: tuple[int, int],
    held_out: float = 0.0,
    seed: int = 0,
) -> World:
    """The first so many shapes, colours and sizes, with a share `held_out` of the pairs held out.

    Raises ValueError for what there is not, and where a shape or a colour would never be seen.
    """
    fewest, most = objects
    allowed = (
        ("shapes", shapes, len(SHAPES)),
        ("colours", colours, len(COLOURS)),
        ("sizes", sizes, len(SIZES)),
        ("objects", fewest, most),
        ("objects", most, MOST_LARGE if sizes == 1 else MOST_OBJECTS),
    )
    for name, given, limit in allowed:
        if not 1 <= given <= limit:
            raise ValueError(f"{name} is {given}; allowed is 1 to {limit}")
    world = World(
        shapes=tuple(SHAPES)[:shapes],
        colours=tuple(COLOURS)[:colours],
        sizes=CHOSEN_SIZES[sizes],
        fewest=fewest,
        most=most,
    )
    count = round(held_out * len(world.pairs))
    held = _spread(world, count, seed)
    return World(**{**vars(world), "held_out": held})


def _spread(world: World, count: int, seed: int) -> tuple[Pair, ...]:
    """`count` pairs at random, as even over colours and over shapes as their number allows."""
    order = np.random.default_rng([seed, 1]).permutation(len(world.pairs))
    left = [world.pairs[index] for index in order]
    held: list[Pair] = []
    for _ in range(count):
        times = [
            sum(colour == c for c, _ in held) * len(world.shapes)
            + sum(shape == s for _, s in held) * len(world.colours)
            for colour, shape in left
        ]
        held.append(left.pop(int(np.argmin(times))))
    seen = [pair for pair in world.pairs if pair not in held]
    if {c for c, _ in seen} != set(world.colours) or {s for _, s in seen} != set(world.shapes):
        raise ValueError(
            f"held_out would leave {len(seen)} of {len(world.pairs)} pairs of colour and shape to "
            "train on, and a colour or a shape without any; hold out a smaller share"
        )
    return tuple(sorted(held))
