"""Scenes drawn at random, with captions: text-to-image data of which every fact is known.

A caption's claims can be checked in any picture, by rule (`evaluation: scenes`). A share of the
pairs of colour and shape never occurs in training, so that what a model makes of a red circle when
it has seen red and circles, but none together, is a figure too. Drawn at the first opening and then
kept as other prepared data is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from noiseloom.config import option
from noiseloom.data.caption_tokens import Captions, caption_arrays, learn_captions
from noiseloom.data.content import Progress
from noiseloom.data.dataset import CaptionedDataset
from noiseloom.data.prepared import cache_root, key_of, open_prepared
from noiseloom.data.raw_texts import read_texts, write_texts
from noiseloom.data.scene.arranging import draw_scenes
from noiseloom.data.scene.captions import longest_caption, write_caption
from noiseloom.data.scene.drawing import pictures
from noiseloom.data.scene.world import World, world_of

VERSION = 2  # of how scenes are drawn and described: raised when that changes
VOCABULARY = 1_000  # pieces at most: every word of the captions becomes one
CHUNK = 1_000  # scenes drawn at once
PARTS = ("train", "reference")


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneDataset(CaptionedDataset):
    """Pictures of scenes of `world`."""

    world: World


@dataclass(frozen=True, kw_only=True)
class Config:
    """Plain shapes on a dark ground, with captions that say what is there."""

    shapes: int = option(5, "so many of circle, square, triangle, diamond and cross")
    colours: int = option(
        8, "so many of red, green, blue, yellow, purple, white, orange and cyan, in this order"
    )
    sizes: int = option(3, "1 (then captions do not say it), 2 (small, large) or 3 (and medium)")
    objects: tuple[int, int] = option((1, 4), "the fewest and the most objects in a scene, up to 5")
    held_out: Annotated[float, Ge(0), Le(0.9)] = option(
        1 / 6, "share of the pairs of colour and shape that training never sees"
    )
    side: Annotated[int, Ge(24), Le(256)] = option(32, "width and height, in pixels")
    num: Annotated[int, Ge(1)] = option(40_000, "scenes to train on")
    num_reference: Annotated[int, Ge(1)] = option(2_000, "other scenes, held out")
    captions: Annotated[int, Ge(1)] = option(2, "captions of each scene, in different words")
    longest: Annotated[int, Ge(1)] | None = option(
        None,
        "most tokens of a caption, a word each; null: enough for one object more",
    )
    seed: Annotated[int, Ge(0)] = option(0, "which draw of scenes, and of the pairs held out")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        self.world  # noqa: B018 - raises ValueError where there can be no such world

    @property
    def world(self) -> World:
        """What the scenes may hold."""
        return world_of(
            shapes=self.shapes,
            colours=self.colours,
            sizes=self.sizes,
            objects=self.objects,
            held_out=self.held_out,
            seed=self.seed,
        )

    def describe_source(self) -> str:
        """The source in a few words."""
        fewest, most = self.objects
        number = str(fewest) if fewest == most else f"{fewest} to {most}"
        objects = "1 object" if number == "1" else f"{number} objects"
        sizes = "one size" if self.sizes == 1 else f"{self.sizes} sizes"
        return f"scenes of {objects}: {self.shapes} shapes, {self.colours} colours, {sizes}"

    def open(self, progress: Progress | None = None) -> SceneDataset:
        """Draw the scenes, or find them drawn."""
        facts = {
            "shapes": self.shapes,
            "colours": self.colours,
            "sizes": self.sizes,
            "objects": self.objects,
            "held_out": self.held_out,
            "side": self.side,
            "num": self.num,
            "num_reference": self.num_reference,
            "captions": self.captions,
            "longest": self.longest,
            "seed": self.seed,
        }
        key = key_of(kind="scenes", version=VERSION, numpy=np.__version__, **facts)
        root = cache_root(self.cache)
        prepared = open_prepared(root, key, lambda folder: self._build(folder, progress))
        world, cut = self.world, prepared.details["cut"]
        held_out = [f"{colour} {shape}" for colour, shape in world.held_out]
        return SceneDataset(
            train=prepared.train,
            reference=prepared.reference,
            class_names=(),
            fingerprint=prepared.fingerprint,
            cache=prepared.learned,
            captions=Captions.load(prepared.folder),
            train_captions=read_texts(prepared.folder, "train", self.captions),
            reference_captions=read_texts(prepared.folder, "reference", self.captions),
            world=world,
            report={
                "source": self.describe_source(),
                "kind": "drawn at random",
                "counts": {
                    "used": self.num + self.num_reference,
                    "train": self.num,
                    "reference": self.num_reference,
                },
                "captions": {
                    "each": self.captions,
                    "longest": prepared.details["longest"],
                    "cut": cut,
                },
                "held_out_pairs": held_out,
                "reference": "other scenes of the same kind",
                "item_shape": list(prepared.train.items.shape[1:]),
                "fingerprint": prepared.fingerprint,
                "notes": [f"never seen in training: {', '.join(held_out)}"] if held_out else [],
                "warnings": [
                    f"{cut:,} captions are longer than data.longest={self.longest} tokens and cut "
                    "there: what stands behind is not learned; leave data.longest out"
                ]
                if cut
                else [],
            },
        )

    def _build(self, folder: Path, progress: Progress | None) -> dict[str, Any]:
        rows = {
            name: self._draw(folder, name, number, progress) for number, name in enumerate(PARTS)
        }
        captions = learn_captions(
            "bpe",
            (caption for row in rows["train"] for caption in row),
            longest=self.longest or longest_caption(self.world, self.world.most + 1),
            vocabulary=VOCABULARY,
            examples=[row[0] for row in rows["reference"]],
        )
        captions.save(folder)
        cut = 0
        for name, written in rows.items():
            tokens, too_long = caption_arrays(captions, written)
            np.save(folder / f"{name}_captions.npy", tokens)
            cut += too_long
        return {"class_names": [], "cut": cut, "longest": captions.longest}

    def _draw(
        self, folder: Path, name: str, part: int, progress: Progress | None
    ) -> list[list[str]]:
        """Write the pictures and the texts of one part; answers the captions."""
        random, world = np.random.default_rng([self.seed, part]), self.world
        num = self.num if name == "train" else self.num_reference
        shape = (num, self.side, self.side, 3)
        items = np.lib.format.open_memmap(folder / f"{name}_items.npy", "w+", np.uint8, shape)
        rows: list[list[str]] = []
        for first in range(0, num, CHUNK):
            scenes = draw_scenes(world, min(CHUNK, num - first), random)
            items[first : first + CHUNK] = pictures(scenes, self.side)
            for index in range(len(scenes)):
                things = scenes.things(index)
                rows.append([write_caption(things, random, world) for _ in range(self.captions)])
            if progress:
                progress("drawing scenes", first + len(scenes), num)
        items.flush()
        write_texts(folder, name, rows)
        return rows
