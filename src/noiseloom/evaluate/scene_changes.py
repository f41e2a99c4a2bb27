"""Scenes with one thing changed: what a checker must notice, an attribute at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from noiseloom.data.scene.arranging import Scenes, fits
from noiseloom.data.scene.places import RELATION_MARGIN

TRIES = 30  # places tried for an object that is moved or added

Changed = tuple[Scenes, np.ndarray]  # and which of the scenes (N,) could be changed


def other_shape(scenes: Scenes, random: np.random.Generator) -> Changed:
    """One object of another shape, in its place."""
    return _checked(replace(scenes, shape=_other(scenes, scenes.shape, _shapes(scenes), random)))


def other_colour(scenes: Scenes, random: np.random.Generator) -> Changed:
    """One object of another colour."""
    choices = np.arange(len(scenes.world.colours))
    return _checked(replace(scenes, colour=_other(scenes, scenes.colour, choices, random)))


def other_size(scenes: Scenes, random: np.random.Generator) -> Changed:
    """One object of another size; a world of one size has none."""
    if len(scenes.world.sizes) == 1:
        return scenes, np.zeros(len(scenes), dtype=bool)
    choices = np.array(scenes.world.size_numbers)
    return _checked(replace(scenes, size=_other(scenes, scenes.size, choices, random)))


def other_place(scenes: Scenes, random: np.random.Generator) -> Changed:
    """One object in another quarter of the picture."""
    rows, slots = np.arange(len(scenes)), _one_of(scenes, random)
    x, y = scenes.x[rows, slots], scenes.y[rows, slots]

    def elsewhere(new_x: np.ndarray, new_y: np.ndarray) -> np.ndarray:
        return ((new_x < 0.5) != (x < 0.5)) | ((new_y < 0.5) != (y < 0.5))

    return _moved(scenes, slots, elsewhere, random)


def other_relation(scenes: Scenes, random: np.random.Generator) -> Changed:
    """The picture's objects on the other side of each other: left is right, above is below."""
    return _checked(replace(scenes, x=1 - scenes.x, y=1 - scenes.y))


def one_less(scenes: Scenes, random: np.random.Generator) -> Changed:
    """An object gone, where more than one is there."""
    rows, slots = np.arange(len(scenes)), _one_of(scenes, random)
    shape = scenes.shape.copy()
    shape[rows, slots] = -1
    return replace(scenes, shape=shape), (scenes.shape >= 0).sum(axis=1) > 1


def one_more(scenes: Scenes, random: np.random.Generator) -> Changed:
    """Another object beside those that are there."""
    num, most = scenes.shape.shape
    more = Scenes(
        scenes.world,
        *(
            np.concatenate([array, np.zeros((num, 1), array.dtype)], axis=1)
            for array in (scenes.shape, scenes.colour, scenes.size, scenes.x, scenes.y)
        ),
    )
    more.shape[:, most] = random.choice(_shapes(scenes), num)
    more.colour[:, most] = random.integers(0, len(scenes.world.colours), num)
    more.size[:, most] = random.choice(scenes.world.size_numbers, num)
    slots = np.full(num, most)
    return _moved(more, slots, lambda x, y: np.ones(len(x), dtype=bool), random)


CHANGES: dict[str, Callable[[Scenes, np.random.Generator], Changed]] = {
    "another shape": other_shape,
    "another colour": other_colour,
    "another size": other_size,
    "another place": other_place,
    "another relation": other_relation,
    "an object less": one_less,
    "an object more": one_more,
}


def related(scenes: Scenes) -> np.ndarray:
    """Whether the first two objects stand clearly to each other and none looks like them, (N,)."""
    if scenes.shape.shape[1] < 2:
        return np.zeros(len(scenes), dtype=bool)
    dx, dy = (abs(places[:, 0] - places[:, 1]) for places in (scenes.x, scenes.y))
    looks = np.stack([scenes.shape, scenes.colour, scenes.size], axis=-1)
    alike = (looks[:, :, None] == looks[:, None]).all(axis=-1).sum(axis=2)
    is_clear = abs(dx - dy) >= RELATION_MARGIN
    return (scenes.shape[:, 1] >= 0) & is_clear & (alike[:, :2] == 1).all(axis=1)


def _checked(scenes: Scenes) -> Changed:
    return scenes, fits(scenes)


def _shapes(scenes: Scenes) -> np.ndarray:
    return np.arange(len(scenes.world.shapes))


def _one_of(scenes: Scenes, random: np.random.Generator) -> np.ndarray:
    """An object of each scene at random, (N,)."""
    chance = random.random(scenes.shape.shape)
    return np.where(scenes.shape >= 0, chance, -1).argmax(axis=1)


def _other(
    scenes: Scenes, values: np.ndarray, choices: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """`values` (N, K) with one object's changed to another of `choices`."""
    rows, slots = np.arange(len(scenes)), _one_of(scenes, random)
    at = np.searchsorted(choices, values[rows, slots])
    step = random.integers(1, len(choices), len(scenes)) if len(choices) > 1 else 0
    changed = values.copy()
    changed[rows, slots] = choices[(at + step) % len(choices)]
    return changed


def _moved(
    scenes: Scenes,
    slots: np.ndarray,
    is_wanted: Callable[[np.ndarray, np.ndarray], np.ndarray],
    random: np.random.Generator,
) -> Changed:
    """One object of each scene where `is_wanted(x, y)` and nothing stands in the way."""
    rows = np.arange(len(scenes))
    x, y = scenes.x.copy(), scenes.y.copy()
    done = np.zeros(len(scenes), dtype=bool)
    for _ in range(TRIES):
        new_x, new_y = x.copy(), y.copy()
        new_x[rows, slots], new_y[rows, slots] = random.random((2, len(scenes)))
        found = fits(replace(scenes, x=new_x, y=new_y))
        found &= ~done & is_wanted(new_x[rows, slots], new_y[rows, slots])
        x[found], y[found] = new_x[found], new_y[found]
        done |= found
    return replace(scenes, x=x, y=y), done
