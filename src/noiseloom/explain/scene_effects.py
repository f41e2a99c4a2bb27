"""What a change inside a network does to the scenes that it draws, read off by rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noiseloom.data.scene.parsing import Asked
from noiseloom.data.scene.world import Thing, World
from noiseloom.data.scenes import Config as Scenes
from noiseloom.evaluate.scene_scores import KINDS, judge
from noiseloom.runs.run import Run

NEAR = 0.1  # of a picture's side: an object that moved less stands where it stood


def world_of_run(run: Run) -> World | None:
    """What the scenes of a run may hold; None where it draws something else."""
    return run.recipe.data.world if isinstance(run.recipe.data, Scenes) else None


def changed_kinds(one: Asked, other: Asked) -> list[str]:
    """Of which of `KINDS` two captions that ask for as many objects claim different things."""

    def claims(asked: Asked) -> dict[str, object]:
        things = asked.things
        return {
            "shape": [thing.shape for thing in things],
            "colour": [thing.colour for thing in things],
            "size": [thing.size for thing in things],
            "position": [thing.place for thing in things],
            "relation": asked.relations,
        }

    first, second = claims(one), claims(other)
    return [kind for kind in KINDS if first[kind] != second[kind]]


def held(asked: Sequence[Asked], found: Sequence[Sequence[Thing]]) -> dict[str, np.ndarray]:
    """Whether each picture holds all that its caption claims: of each of `KINDS`, number and all.

    (N,) each, 1 or 0, NaN where nothing of the kind is claimed.
    """
    judged = [judge(one, things) for one, things in zip(asked, found, strict=True)]
    values = {
        kind: np.array(
            [
                np.nan if not one.asked[number] else float(one.asked[number] == one.right[number])
                for one in judged
            ]
        )
        for number, kind in enumerate(KINDS)
    }
    values["count"] = np.array([float(one.is_count_right) for one in judged])
    values["all"] = np.array([float(one.is_right) for one in judged])
    return {name: value for name, value in values.items() if not np.isnan(value).all()}


def only_recoloured(
    before: Sequence[Thing],
    after: Sequence[Thing],
    colour: str,
    new: str,
    *,
    sizes: bool,
    near: float = NEAR,
) -> bool:
    """Whether the one object of `colour` is now of the colour `new`, and nothing else has changed.

    Shapes and colours must be as they were, `sizes` too where scenes have several, and nothing may
    be `near` or farther from where it was, as a share of the picture's side.
    """
    changed = [thing for thing in before if thing.colour == colour]
    if len(changed) != 1 or len(after) != len(before):
        return False
    left = list(after)
    for thing in sorted(before, key=lambda one: one is not changed[0]):
        wanted = new if thing is changed[0] else thing.colour
        same = [
            one
            for one in left
            if (one.colour, one.shape) == (wanted, thing.shape)
            and (one.size == thing.size or not sizes)
            and np.hypot(one.x - thing.x, one.y - thing.y) < near
        ]
        if thing.shape is None or not same:
            return False
        left.remove(min(same, key=lambda one: np.hypot(one.x - thing.x, one.y - thing.y)))
    return True


def share_of_way(base: np.ndarray, other: np.ndarray, found: np.ndarray) -> float:
    """How far pictures (N, …) uint8 have gone from `base` to `other`: 0 not at all, 1 all of it.

    It is the part of the change that points that way: <found - base, other - base> over its square.
    """
    start = base.astype(np.float64)
    goal = other.astype(np.float64) - start
    square = float((goal**2).sum())
    return float(((found.astype(np.float64) - start) * goal).sum() / square) if square else 0.0
