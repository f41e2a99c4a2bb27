"""Real handwritten digits that bounce in a frame, by a law known exactly, on any machine, offline.

The digits are scikit-learn's (`data/digits.py`), 14 pixels in frames of 32, drawn at parts of a
pixel. Clips to train on show training digits alone, and held-out clips held-out ones. No wall is
met in the first `FREE` frames, so that three of them tell the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.bouncing import FRAME, Motion, reach_of, render
from noiseloom.data.caption_tokens import Captions, caption_arrays, learn_captions
from noiseloom.data.content import Progress
from noiseloom.data.dataset import ClipTruth, VideoDataset
from noiseloom.data.digits import Config as Digits
from noiseloom.data.motion_captions import DIRECTIONS, SPEEDS, SPREAD, captions_of
from noiseloom.data.prepared import cache_root, key_of, open_prepared

VERSION = 1  # of the rules above: raised when they change
FREE = 3  # frames, the first among them, in which no wall is met
LONGEST, VOCABULARY = 16, 400  # tokens of a caption, and pieces: every word is one
CHUNK = 500  # clips drawn at once
PARTS = ("train", "reference")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Bundled handwritten digits bouncing in 32x32 frames."""

    frames: Annotated[int, Ge(FREE + 1)] = option(11, "frames of a clip")
    num: Annotated[int, Ge(20)] = option(20_000, "clips to train on")
    num_reference: Annotated[int, Ge(20)] = option(2_000, "held-out clips, of held-out digits")
    captions: bool = option(
        False, "also tell each clip in words; then digits set out in one of eight directions"
    )
    rate: float = option(8.0, "frames a second when a clip is shown")
    held_out: float = option(0.2, "share of the digits held out")
    seed: int = option(0, "which draw of clips")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        if not 0 < self.rate <= 100 or self.seed < 0:
            raise ValueError(
                f"rate {self.rate:g} and seed {self.seed} are given; allowed is a rate above 0, up "
                "to 100, and a seed from 0"
            )

    def describe_source(self) -> str:
        """The source in a few words."""
        return "handwritten digits bundled with scikit-learn, bouncing"

    def open(self, progress: Progress | None = None) -> VideoDataset:
        """Draw the clips, or find them drawn."""
        digits = Digits(held_out=self.held_out, cache=self.cache).open(progress)
        key = key_of(
            kind="moving-digits",
            version=VERSION,
            digits=digits.fingerprint,
            frames=self.frames,
            num=[self.num, self.num_reference],
            captions=self.captions,
            seed=self.seed,
        )

        def build(folder: Path) -> dict[str, Any]:
            for part, num in zip(PARTS, (self.num, self.num_reference), strict=True):
                split = digits.train if part == "train" else digits.reference
                _draw(folder, part, split.items[..., 0], split.labels, num, self, progress)
            if self.captions:
                _tell(folder, self.frames)
            return {"class_names": []}

        prepared = open_prepared(cache_root(self.cache), key, build)
        train, reference = (_truth(prepared.folder, part) for part in PARTS)
        return VideoDataset(
            train=prepared.train,
            reference=prepared.reference,
            class_names=(),
            fingerprint=prepared.fingerprint,
            cache=prepared.learned,
            rate=self.rate,
            captions=Captions.load(prepared.folder) if self.captions else None,
            train_truth=train,
            reference_truth=reference,
            report={
                "source": self.describe_source(),
                "kind": "clips made up",
                "counts": {
                    "used": self.num + self.num_reference,
                    "train": self.num,
                    "reference": self.num_reference,
                },
                "reference": f"of other digits, a share of {self.held_out:g}",
                "item_shape": list(prepared.train.items.shape[1:]),
                "fingerprint": prepared.fingerprint,
                "notes": [],
                "warnings": [],
            },
        )


def motions(digits: np.ndarray, random: np.random.Generator, spread: float | None = None) -> Motion:
    """A motion for each of the digits (N, 8, 8): any way, or within `spread` degrees of the eight.

    Slow and fast ones are as many.
    """
    num = len(digits)
    low, high = reach_of(digits)
    slow_or_fast = np.array(list(SPEEDS.values()))[random.integers(0, len(SPEEDS), num)]
    speed = random.uniform(slow_or_fast[:, 0], slow_or_fast[:, 1])
    angle = random.uniform(0, 2 * np.pi, num)
    if spread is not None:
        ways = random.integers(0, len(DIRECTIONS), num)
        angle = np.radians(360 / len(DIRECTIONS) * ways + random.uniform(-spread, spread, num))
    velocity = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    free = (FREE - 1) * velocity
    start = random.uniform(low - free.clip(max=0), high - free.clip(min=0))
    return Motion(start, velocity, low, high)


def _draw(
    folder: Path,
    part: str,
    glyphs: np.ndarray,
    labels: np.ndarray | None,
    num: int,
    config: Config,
    progress: Progress | None,
) -> None:
    """The clips of one part, and the truth about them beside."""
    assert labels is not None  # digits have labels
    random = np.random.default_rng([config.seed, PARTS.index(part)])
    chosen = random.integers(0, len(glyphs), num)
    shown = np.asarray(glyphs)[chosen]
    motion = motions(shown, random, SPREAD if config.captions else None)
    positions = motion.positions(np.arange(config.frames))
    shape = (num, config.frames, FRAME, FRAME, 1)
    items = np.lib.format.open_memmap(folder / f"{part}_items.npy", "w+", np.uint8, shape)
    for first in range(0, num, CHUNK):
        mine = slice(first, first + CHUNK)
        items[mine] = render(shown[mine], positions[mine])
        if progress:
            progress(f"drawing clips ({part})", min(first + CHUNK, num), num)
    items.flush()
    np.save(folder / f"{part}_glyphs.npy", shown)
    np.save(folder / f"{part}_digits.npy", np.asarray(labels)[chosen])
    np.save(folder / f"{part}_motion.npy", np.stack(motion.arrays))


def _tell(folder: Path, frames: int) -> None:
    """The clips of `folder` in words: captions of each in every phrase, as tokens."""
    told = {}
    for part in PARTS:
        truth = _truth(folder, part)
        met = truth.motion.bounces(frames - 1)
        told[part] = captions_of(truth.digits.tolist(), truth.motion.velocity, met)
    known = [caption for row in told["train"] for caption in row]
    captions = learn_captions(
        "bpe",
        known,
        longest=LONGEST,
        vocabulary=VOCABULARY,
        examples=[r[0] for r in told["reference"]],
    )
    captions.save(folder)
    for part, rows in told.items():
        np.save(folder / f"{part}_captions.npy", caption_arrays(captions, rows)[0])


def _truth(folder: Path, part: str) -> ClipTruth:
    glyphs, digits, motion = (
        np.load(folder / f"{part}_{name}.npy", mmap_mode="r")
        for name in ("glyphs", "digits", "motion")
    )
    return ClipTruth(glyphs, digits, Motion(*np.array(motion)))
