"""How far the checker of scenes can be trusted, and how fast scenes are drawn and read.

    python benchmarks/scenes.py --num 10000

Real pictures must be accepted and those with any one thing changed rejected, each kind apart, on
the small setting (2 objects, 3 shapes, 6 colours) and the full one (1 to 4 objects, 5 shapes, 8
colours, 3 sizes). Then the same pictures with noise and with soft edges. One JSON document is
printed; times are of one core where OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.captions import write_caption
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.parsing import parse_caption
from noiseloom.data.scene.world import World, world_of
from noiseloom.evaluate.scene_check import check_checker, robustness
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import judge, shares

WORLDS = {
    "small": world_of(shapes=3, colours=6, sizes=1, objects=(2, 2), held_out=1 / 6),
    "full": world_of(shapes=5, colours=8, sizes=3, objects=(1, 4), held_out=1 / 6),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Try the checker of scenes.")
    parser.add_argument("--num", type=int, default=2_000, help="pictures of each kind")
    parser.add_argument("--side", type=int, default=32, help="their width and height in pixels")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(
        json.dumps(
            {
                name: {
                    "checker": check_checker(world, given.side, given.num, given.seed),
                    "accepted_damaged": robustness(world, given.side, given.num, given.seed),
                    "captions": claims(world, given.side, given.num, given.seed),
                    "a_second": speeds(world, given.side, given.num, given.seed),
                }
                for name, world in WORLDS.items()
            },
            indent=2,
        )
    )


def claims(world: World, side: int, num: int, seed: int) -> dict[str, Any]:
    """Real pictures judged by their own captions, and by those of others: ceiling and chance."""
    random = np.random.default_rng([seed, 5])
    scenes = draw_scenes(world, num, random)
    asked = [parse_caption(write_caption(scenes.things(i), random, world)) for i in range(num)]
    found = read_pictures(pictures(scenes, side))
    others = [*asked[1:], asked[0]]
    return {
        name: dict(
            shares([judge(one, things) for one, things in zip(by, found, strict=True)]).metrics
        )
        for name, by in (("own", asked), ("of_others", others))
    }


def speeds(world: World, side: int, num: int, seed: int) -> dict[str, int]:
    """Scenes arranged, drawn, described and read a second of processor time."""
    random = np.random.default_rng([seed, 6])
    marks = [time.process_time()]
    scenes = draw_scenes(world, num, random)
    marks.append(time.process_time())
    drawn = pictures(scenes, side)
    marks.append(time.process_time())
    for index in range(num):
        write_caption(scenes.things(index), random, world)
    marks.append(time.process_time())
    read_pictures(drawn)
    marks.append(time.process_time())
    taken = np.diff(marks)
    names = ("arranged", "drawn", "described", "read")
    return {name: round(num / seconds) for name, seconds in zip(names, taken, strict=True)}


if __name__ == "__main__":
    main()
