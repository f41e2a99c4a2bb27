"""Words swapped inside a run of scenes: does the object they name change, and nothing else?

    python benchmarks/explain_patching.py RUN --num 120

All ordered pairs of colours take turns. A prompt like those of training, in which the first colour
stands once, is drawn; then again from the same noise, with keys and values of that word, and of the
word after it, taken from the prompt with the second colour, at t up to `--since`. A pair is right
where the checker finds that object in the new colour and in its old shape and place (moved by less
than a tenth of the picture's side), and every other object as it was. Beside it stand: the changed
prompt drawn plainly from the same noise, the word alone and at all t, and the floor, the words of
another object swapped. One JSON document is printed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.captions import write_caption
from noiseloom.data.scene.colours import COLOURS
from noiseloom.data.scene.parsing import parse_caption
from noiseloom.data.scene.world import Thing, World
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import judge
from noiseloom.explain.scene_effects import NEAR, only_recoloured, world_of_run
from noiseloom.explain.word_effects import and_the_next
from noiseloom.explain.word_swap import Swap, draw_swapped, reads_words
from noiseloom.runs import Run
from noiseloom.tasks import Prompted, Request


@dataclass(frozen=True)
class Recolouring:
    """A prompt with a colour that stands once in it, and the same with another in its place."""

    prompt: str
    changed: str
    colour: str
    new: str


def main() -> None:
    parser = argparse.ArgumentParser(description="Swap colours inside a run of scenes.")
    parser.add_argument("run", help="the folder of a text-to-image run on scenes")
    parser.add_argument("--num", type=int, default=120, help="pairs of prompts")
    parser.add_argument("--since", type=float, default=0.65, help="t from which words are swapped")
    parser.add_argument("--seed", type=int, default=0, help="of prompts and noise")
    parser.add_argument("--steps", type=int, default=None, help="the sampler's; none: the run's")
    given = parser.parse_args()
    run = Run.open(given.run)
    task, step = run.trained_task()
    world = world_of_run(run)
    if world is None or not reads_words(task):
        parser.error(f"{given.run} is no text-to-image run on scenes that reads its words itself")
    request = Request(steps=given.steps)
    drawn = recolourings(world, given.num, given.seed)
    print(
        json.dumps(
            {
                **measured(
                    task,
                    drawn,
                    since=given.since,
                    seed=given.seed,
                    request=request,
                    sizes=len(world.sizes) > 1,
                ),
                "num": len(drawn),
                "since_t": given.since,
                "near": NEAR,
                "seed": given.seed,
                "trained_steps": step,
                "sampler": task.describe(request),
            },
            indent=2,
        )
    )


def recolourings(world: World, num: int, seed: int) -> list[Recolouring]:
    """`num` of them, the ordered pairs of colours in turn; scenes as in training."""
    random, pairs = np.random.default_rng([seed, 11]), list(permutations(world.colours, 2))
    found: list[Recolouring] = []
    while len(found) < num:
        colour, new = pairs[len(found) % len(pairs)]
        things = draw_scenes(world, 1, random, "training").things(0)
        words = write_caption(things, random, world).split()
        seen = [thing.colour for thing in things]
        if seen.count(colour) != 1 or words.count(colour) != 1 or new in seen:
            continue
        place = words.index(colour)
        changed = [*words[:place], new, *words[place + 1 :]]
        if place and words[place - 1] in ("a", "an"):
            changed[place - 1] = "an" if new[0] in "aeiou" else "a"
        found.append(Recolouring(" ".join(words), " ".join(changed), colour, new))
    return found


def measured(
    task: Prompted,
    drawn: Sequence[Recolouring],
    *,
    since: float,
    seed: int,
    request: Request,
    sizes: bool,
) -> dict[str, Any]:
    """The share of pairs in which that object alone has changed, by what was swapped."""
    captions = task.prompts
    assert captions is not None  # see `reads_words`
    base = torch.from_numpy(captions.encode([one.prompt for one in drawn]).tokens)
    other = torch.from_numpy(captions.encode([one.changed for one in drawn]).tokens)
    colours = [captions.tokenizer.encode(f" {one.colour}")[0] for one in drawn]
    word = base == torch.tensor(np.array(colours, np.int64))[:, None]
    phrase = Swap(base, other, and_the_next(word | (base != other)), since=since)

    def read(swap: Swap | None, tokens: Tensor) -> list[list[Thing]]:
        return read_pictures(draw_swapped(task, swap, tokens, seed=seed, request=request))

    others = _others(captions, base, word)
    before = read(None, base)
    is_right = np.array(
        [
            judge(parse_caption(one.prompt), found).is_right
            for one, found in zip(drawn, before, strict=True)
        ]
    )
    ways = {
        "swapped": (phrase, base),
        "prompt_changed_plainly": (None, other),
        "swapped_at_all_t": (replace(phrase, since=1.0), base),
        "the_colour_alone": (replace(phrase, places=word), base),
        "floor_words_of_another_object": (replace(phrase, places=others), base),
    }
    found = {}
    for name, (swap, tokens) in ways.items():
        after = read(swap, tokens)
        only = np.array(
            [
                only_recoloured(first, then, one.colour, one.new, sizes=sizes)
                for one, first, then in zip(drawn, before, after, strict=True)
            ]
        )
        found[name] = _share(only)
        if is_right.any():
            found[name]["of_right_ones"] = float(only[is_right].mean())
    return {"only_that_object_changes": found, "right_before": float(is_right.mean())}


def _others(captions: Captions, base: Tensor, word: Tensor) -> Tensor:
    """The colours that stand in the prompts beside those that are changed, and the words after."""
    known = [colour for colour in COLOURS if colour in captions.words]
    numbers = [int(captions.tokenizer.encode(f" {colour}")[0]) for colour in known]
    return and_the_next(torch.isin(base, torch.tensor(numbers)) & ~word)


def _share(right: np.ndarray) -> dict[str, float]:
    share = float(right.mean())
    return {"share": share, "standard_error": math.sqrt(share * (1 - share) / len(right))}


if __name__ == "__main__":
    main()
