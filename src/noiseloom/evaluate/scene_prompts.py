"""The prompts that a model of scenes is asked, the same for every run: of three kinds.

Some are like those of training, each of others asks for a pair of colour and shape that training
never saw, and some may ask for one object more than training ever shows. Each comes with a real
picture of what it asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.captions import write_caption
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.parsing import Asked, parse_caption
from noiseloom.data.scene.world import Pairs, World

Kind = Literal["training", "held out", "one more"]
SEED = 7


@dataclass(frozen=True)
class Prompts:
    """Captions, of which kind each is, and real pictures (N, side, side, 3) of the same scenes."""

    captions: Sequence[str]
    kinds: np.ndarray
    pictures: np.ndarray

    def are(self, kind: Kind) -> np.ndarray:
        """Which are of that kind, (N,)."""
        found: np.ndarray = self.kinds == kind
        return found

    @cached_property
    def asked(self) -> list[Asked]:
        """What each asks for."""
        return [parse_caption(caption) for caption in self.captions]

    @cached_property
    def others(self) -> list[Asked]:
        """What the next prompt of the same kind asks for, to each."""
        following = np.arange(len(self.kinds))
        for kind in np.unique(self.kinds):
            mine = self.kinds == kind
            following[mine] = np.roll(following[mine], -1)
        return [self.asked[place] for place in following.tolist()]


def draw_prompts(world: World, side: int, num: int, *, one_more: bool) -> Prompts:
    """`num` prompts, as many of each kind there is, kind after kind, and pictures of `side` pixels.

    Where nothing is held out, there is no such kind.
    """
    beyond = replace(world, fewest=world.most + 1, most=world.most + 1)
    there_are: list[tuple[Kind, World, Pairs]] = [("training", world, "training")]
    if world.held_out:
        there_are.append(("held out", world, "held-out"))
    if one_more:
        there_are.append(("one more", beyond, "training"))
    random = np.random.default_rng(SEED)
    captions: list[str] = []
    drawn, kinds = [], []
    for (kind, its_world, pairs), places in zip(
        there_are, np.array_split(np.arange(num), len(there_are)), strict=True
    ):
        scenes = draw_scenes(its_world, len(places), random, pairs)
        drawn.append(pictures(scenes, side))
        captions += [write_caption(scenes.things(i), random, world) for i in range(len(places))]
        kinds += [kind] * len(places)
    return Prompts(captions, np.array(kinds), np.concatenate(drawn))
