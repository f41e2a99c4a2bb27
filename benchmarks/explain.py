"""How far explanations can be trusted, where the truth is known.

    python benchmarks/explain.py heat-maps runs/scenes-small --num 100

Word heat maps of a run of data `scenes`: pictures are drawn by prompts that no training picture
has, half of them with a pair of colour and shape that training never saw, and read by rule, as
evaluation does. Where a picture holds what its prompt asks for, each word of a shape or a colour
names an object whose pixels are known. A map points right where its highest pixel lies on that
object; its overlap is that of the pixels above a threshold with the object's (intersection over
union), the threshold chosen on the other half of the prompts. Every reading of `word_maps` is
graded, as the view shows it and before pixels that look alike share it, beside a map of noise and a
blob in the middle of the picture. One JSON document is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.scene.arranging import SIZE_WORDS, Scenes
from noiseloom.data.scene.colours import COLOURS
from noiseloom.data.scene.drawing import masks
from noiseloom.data.scene.parsing import COLOUR, SHAPE
from noiseloom.data.scene.shapes import SHAPES
from noiseloom.data.scene.world import Thing, World
from noiseloom.evaluate.resampling import share_interval
from noiseloom.evaluate.scene_prompts import draw_prompts
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.evaluate.scene_scores import judge
from noiseloom.explain.caption_words import words_in
from noiseloom.explain.way import Way, way_of
from noiseloom.explain.word_maps import READINGS, WordOf, over_steps, shared
from noiseloom.runs import Run
from noiseloom.seeds import Random
from noiseloom.tasks import Request
from noiseloom.tasks.generating import ImageGeneration

TOGETHER = 25  # prompts drawn at once
THRESHOLDS = np.linspace(0.05, 0.95, 19)
SEED = 0


@dataclass(frozen=True)
class Named:
    """A word that names an object: where its prompt is among all, what it says, what it names."""

    prompt: int
    word: WordOf
    says: str  # "shape" or "colour"
    shape: str
    colour: str


@dataclass
class Found:
    """Of the pictures that are right: words that name an object, its pixels, and their maps."""

    named: list[Named] = field(default_factory=list)
    truth: list[np.ndarray] = field(default_factory=list)
    maps: dict[str, list[np.ndarray]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    right: int = 0

    def read(self, task: ImageGeneration, way: Way, tokens: Tensor, here: list[Named]) -> None:
        """Add what each reading makes of these words, with and without sharing."""
        for name, reading in READINGS.items():
            began = time.perf_counter()
            plain = over_steps(reading(task, way, tokens, [one.word for one in here]))
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            pictures = way.items[[one.word.sample for one in here]]
            self.maps.setdefault(f"{name}, not shared", []).append(plain)
            self.maps.setdefault(name, []).append(shared(plain, pictures))


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade explanations against the truth.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    heat = verbs.add_parser("heat-maps", help="word heat maps of a run of data scenes")
    heat.add_argument("run", type=Path)
    heat.add_argument("--num", type=int, default=100, help="prompts, half with a held-out pair")
    given = parser.parse_args()
    print(json.dumps(heat_maps(given.run, given.num), indent=2))


def heat_maps(folder: Path, num: int) -> dict[str, Any]:
    """The figures of every reading, and of the two baselines."""
    run = Run.open(folder)
    task, step = run.trained_task()
    assert isinstance(task, ImageGeneration) and task.prompts is not None
    world: World = run.recipe.data.world
    side = task.form.item_shape[-1]
    prompts = draw_prompts(world, side, num, one_more=False)
    found = Found()
    for first in range(0, num, TOGETHER):
        part = range(first, min(num, first + TOGETHER))
        tokens = torch.from_numpy(task.prompts.encode([prompts.captions[i] for i in part]).tokens)
        way = way_of(task, Request(labels=tokens), Random(SEED, part))
        read = read_pictures(way.items)
        is_right = [judge(prompts.asked[i], read[i - first]).is_right for i in part]
        found.right += sum(is_right)
        here = [
            one
            for i in part
            if is_right[i - first]
            for one in named_in(task.prompts, tokens[i - first].numpy(), i, i - first)
        ]
        found.named += here
        found.truth += [mask_of(one, read[one.prompt - first], world, side) for one in here]
        found.read(task, way, tokens, here)
    masked = np.stack(found.truth)
    graded = {name: np.concatenate(parts) for name, parts in found.maps.items()}
    graded["random"] = np.random.default_rng(SEED).random(masked.shape)
    graded["centre"] = np.broadcast_to(centre(side), masked.shape)
    return {
        "heat_maps": {
            name: {
                **grades(one, masked, found.named, prompts.kinds),
                **({"seconds": round(found.seconds[name], 1)} if name in found.seconds else {}),
            }
            for name, one in graded.items()
        },
        "protocol": {
            "run": folder.name,
            "trained_steps": step,
            "prompts": num,
            "right_pictures": found.right,
            "graded_words": len(found.named),
            "object_pixels": round(float(masked.mean()), 4),
            "seed": SEED,
            **task.describe(Request()),
        },
    }


def named_in(captions: Captions, tokens: np.ndarray, prompt: int, sample: int) -> list[Named]:
    """The words of a prompt that name an object by shape or colour, where it is but one look."""
    found: list[Named] = []
    colour: WordOf | None = None
    for word in words_in(captions, tokens):
        one = WordOf(sample, word)
        if (word.text,) in COLOUR:
            colour = one
        elif (word.text,) in SHAPE:
            assert colour is not None  # every object of these captions has a colour
            look = str(SHAPE[word.text,]), str(COLOUR[colour.word.text,])
            found += [Named(prompt, colour, "colour", *look), Named(prompt, one, "shape", *look)]
    looks = [(one.shape, one.colour) for one in found if one.says == "shape"]
    return [one for one in found if looks.count((one.shape, one.colour)) == 1]


def mask_of(named: Named, things: Sequence[Thing], world: World, side: int) -> np.ndarray:
    """The pixels of the objects of that look that were read in the picture, (side, side)."""
    look = (named.shape, named.colour)
    mine = [one for one in things if (one.shape, one.colour) == look]
    drawn = Scenes(
        world,
        np.array([[list(SHAPES).index(named.shape) for _ in mine]]),
        np.array([[list(COLOURS).index(named.colour) for _ in mine]]),
        np.array([[SIZE_WORDS.index(str(one.size)) for one in mine]]),
        np.array([[one.x for one in mine]]),
        np.array([[one.y for one in mine]]),
    )
    covered: np.ndarray = masks(drawn, side)[0].sum(axis=0) > 0.5
    return covered


def grades(
    maps: np.ndarray, truth: np.ndarray, named: Sequence[Named], kinds: np.ndarray
) -> dict[str, Any]:
    """Pointing accuracy with its 95 % interval, and overlap, of all words and of each kind."""
    flat, masked = maps.reshape(len(maps), -1), truth.reshape(len(truth), -1)
    points = masked[np.arange(len(flat)), flat.argmax(axis=1)]
    scaled = flat / np.maximum(flat.max(axis=1, keepdims=True), 1e-12)
    overlap_WT = np.stack([overlaps(scaled > one, masked) for one in THRESHOLDS], axis=1)
    fold = np.array([one.prompt % 2 for one in named])
    overlap = np.empty(len(named))
    thresholds = []
    for half in (0, 1):
        best = int(overlap_WT[fold != half].mean(axis=0).argmax())
        overlap[fold == half] = overlap_WT[fold == half, best]
        thresholds.append(round(float(THRESHOLDS[best]), 2))
    says = np.array([one.says for one in named])
    kind = np.array([str(kinds[one.prompt]) for one in named])
    parts = {
        "all": np.ones(len(named), dtype=bool),
        **{name: says == name for name in ("shape", "colour")},
        **{f"{name} pairs": kind == name for name in np.unique(kind)},
    }
    return {
        "thresholds": thresholds,
        **{
            name: {
                "words": int(part.sum()),
                "pointing": round(float(points[part].mean()), 4),
                "pointing_interval": share_interval(float(points[part].mean()), int(part.sum())),
                "iou": round(float(overlap[part].mean()), 4),
            }
            for name, part in parts.items()
            if part.any()
        },
    }


def overlaps(chosen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of rows of pixels."""
    both = (chosen & truth).sum(axis=1)
    share: np.ndarray = both / np.maximum((chosen | truth).sum(axis=1), 1)
    return share


def centre(side: int) -> np.ndarray:
    """A blob in the middle, (side, side)."""
    away = np.arange(side) - (side - 1) / 2
    far: np.ndarray = np.exp(-(away[:, None] ** 2 + away[None] ** 2) / (side / 4) ** 2)
    return far


if __name__ == "__main__":
    main()
