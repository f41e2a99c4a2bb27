"""Can the checker of scenes be trusted? It must accept real pictures and notice every change.

Scenes are drawn and asked for in all that is true of them. The picture of the scene itself must be
accepted, and that of the scene with any one thing changed must be rejected, for each attribute
apart. The same pictures with noise, or with soft edges, say what it takes to be read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from noiseloom.data.scene.arranging import Scenes, draw_scenes
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.parsing import Asked, Wanted
from noiseloom.data.scene.places import place_of, relation_of
from noiseloom.data.scene.world import World
from noiseloom.evaluate.scene_changes import CHANGES, related
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import judge

LEAST = 0.999  # of real pictures accepted, and of each kind of changed ones rejected
NOISES, BLURS = (5, 10, 20), (0.4, 0.6)  # standard deviations: of levels, of pixels at 32 a side


def check_checker(world: World, side: int, num: int, seed: int) -> dict[str, Any]:
    """The share accepted of `num` real pictures, and of each kind of change rejected.

    `informative` says whether all are at least `LEAST`, or where `num` is smaller than that can be
    told by, without a mistake.
    """
    random = np.random.default_rng([seed, 3])
    scenes = draw_scenes(world, num, random)
    drawn = pictures(scenes, side)
    everything = [all_that_is_true(scenes, index) for index in range(num)]
    accepted = _accepted(everything, drawn).mean()
    rejected: dict[str, float] = {}
    for name, change in CHANGES.items():
        changed, was_changed = change(scenes, random)
        asked = everything
        if name == "another relation":
            was_changed &= related(scenes)
            asked = [related_alone(scenes, index) for index in range(num)]
        chosen = np.flatnonzero(was_changed)
        if len(chosen):
            seen = pictures(changed.part(chosen), side)
            rejected[name] = float(1 - _accepted([asked[i] for i in chosen], seen).mean())
    return {
        "informative": bool(min(accepted, *rejected.values()) >= LEAST),
        "pictures": num,
        "accepted": float(accepted),
        "rejected": rejected,
    }


def robustness(world: World, side: int, num: int, seed: int) -> dict[str, float]:
    """The share accepted of real pictures that are noisy, or soft at their edges."""
    random = np.random.default_rng([seed, 4])
    scenes = draw_scenes(world, num, random)
    drawn = pictures(scenes, side).astype(np.float32)
    everything = [all_that_is_true(scenes, index) for index in range(num)]
    found = {}
    for levels in NOISES:
        noisy = drawn + levels * random.standard_normal(drawn.shape)
        found[f"noise of {levels} levels"] = float(_accepted(everything, _stored(noisy)).mean())
    for pixels in BLURS:
        width = pixels * side / 32
        soft = ndimage.gaussian_filter(drawn, (0, width, width, 0))
        found[f"edges softened by {pixels:g} of 32 pixels"] = float(
            _accepted(everything, _stored(soft)).mean()
        )
    return found


def all_that_is_true(scenes: Scenes, index: int) -> Asked:
    """Every attribute and the place of each object of a scene."""
    things = scenes.things(index)
    return Asked(
        tuple(
            Wanted(str(thing.shape), thing.colour, thing.size, place_of(thing.x, thing.y))
            for thing in things
        )
    )


def related_alone(scenes: Scenes, index: int) -> Asked:
    """What a scene's objects look like, and how the first stands to the second."""
    things = scenes.things(index)
    looks = tuple(Wanted(str(thing.shape), thing.colour, thing.size, None) for thing in things)
    if len(things) < 2:
        return Asked(looks)
    one, two = things[:2]
    return Asked(looks, ((0, relation_of(one.x - two.x, one.y - two.y), 1),))


def _accepted(asked: list[Asked], seen: np.ndarray) -> np.ndarray:
    """Whether each picture is judged to be right in all."""
    found = read_pictures(seen)
    return np.array([judge(one, things).is_right for one, things in zip(asked, found, strict=True)])


def _stored(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
