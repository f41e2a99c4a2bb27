"""One command for data nobody has looked at yet, with its time, its memory and an honest word.

Files are counted, the headers of some of them are read, nothing is decoded. Time and memory come
from a plain model of a transformer (`width`, `depth`, `patch` as in the recipe named):

    multiplications in one step = 3 passes x batch x tokens x depth x (12 width² + 2 tokens width)
    memory = a base + 20 bytes a parameter + activations + nothing for the data (memory-mapped)

The constants below were measured on two cores of a server processor in bf16.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from noiseloom.data.decode import BadImageError, Encoded, Header, quiet, read_header
from noiseloom.data.encoded import Wanted
from noiseloom.data.idx import IdxFile, image_shape
from noiseloom.data.images import find_source
from noiseloom.data.parquet import ParquetSource
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.data.sources import FolderSource, IdxSource, Source, nothing_left
from noiseloom.errors import DataError

MULTIPLICATIONS_A_SECOND = 3.5e10  # one core, training, all overheads included
BASE_BYTES = 700 * 2**20  # Python, torch and what they load
PARAMETER_BYTES = 20  # weight, gradient, average and two moments of the optimiser
ACTIVATION_BYTES = 80  # kept for the backward pass, for each token, channel and block
EVALUATION_MINUTES = 0.75  # measuring and writing the report, after training
DECODING_SECONDS = 15e-9  # a pixel of the files as they are
FILE_SECONDS = 0.5e-3  # opening and hashing one
BATCH = 64
STEPS = 6000  # after which small models improve slowly
PASSES = 2000  # over data so small that more only copies it better
ROUND_MINUTES = (2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720)
SAMPLED = 300  # headers read
MEMORISED, SMALL = 500, 5000  # training images below which copies are certain, or likely
PLAIN = r"[A-Za-z_./][\w./-]*/[\w./-]*|(?!true|false|null)[a-z]{3,}"  # no YAML but text
LARGEST_OWN, USUAL = 40, 32  # pixels a side: sizes up to here are kept, larger ones brought to


@dataclass(frozen=True)
class Shape:
    """The network of a shipped recipe."""

    patch: int
    width: int
    depth: int

    def minutes_a_step(self, size: int) -> float:
        tokens = (size / self.patch) ** 2
        block = 12 * self.width**2 + 2 * tokens * self.width
        cores = os.cpu_count() or 1
        work = 3 * BATCH * tokens * self.depth * block
        return work / (MULTIPLICATIONS_A_SECOND * cores) / 60

    def memory(self, size: int) -> int:
        tokens = (size / self.patch) ** 2
        parameters = 18 * self.width**2 * self.depth
        activations = BATCH * tokens * self.width * self.depth * ACTIVATION_BYTES
        return int(BASE_BYTES + PARAMETER_BYTES * parameters + activations)


CAPTIONED = "captioned-folder"
RECIPES = {
    "mnist": Shape(7, 128, 4),
    "image-folder": Shape(4, 192, 6),
    CAPTIONED: Shape(4, 192, 6),
}


@dataclass(frozen=True)
class Suggestion:
    """A command to copy. `minutes` is its whole expected time, `words` what to expect of it."""

    command: str
    recipe: str
    overrides: dict[str, str | float]
    minutes: float
    memory_bytes: int
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        cost = f"about {self.minutes:.0f} minutes and {self.memory_bytes / 2**30:.1f} GiB of memory"
        return "\n".join([self.command, "", f"Expect {cost}.", *self.words])


@dataclass
class Look:
    """What was seen of the data: counts are exact, the headers are a sample."""

    num: int
    classes: dict[str, int]
    headers: list[Header]
    skipped: Skipped
    sampled_bad: Skipped = field(default_factory=Skipped)
    reference: int | None = None  # images of the data's own test part

    @property
    def short_sides(self) -> np.ndarray:
        return np.array([min(header.width, header.height) for header in self.headers])

    @property
    def grey(self) -> bool:
        return all(header.grey for header in self.headers)

    @property
    def one_square(self) -> int | None:
        """The side that every image has, where there is one."""
        sides = {side for header in self.headers for side in (header.width, header.height)}
        return sides.pop() if len(sides) == 1 else None


def suggest(
    path: str | Path, minutes: float | None = None, *, captioned: bool = False
) -> Suggestion:
    """Look at the images of a folder (or IDX files) and say how to train on them, within `minutes`.

    Those that are `captioned` are to be drawn by what a text says. Raises InputError where there is
    no such place, DataError where no image in it can be used.
    """
    look = look_at(str(path), labels=not captioned)
    size = _size(look)
    recipe = "mnist" if look.grey and size == 28 else "image-folder"
    recipe = CAPTIONED if captioned else recipe
    shape = RECIPES[recipe]
    steps = min(STEPS, max(500, PASSES * look.num // BATCH))
    wanted = steps * shape.minutes_a_step(size)
    if minutes is None:
        minutes = next((m for m in ROUND_MINUTES if m >= wanted), ROUND_MINUTES[-1])
    steps = min(steps, round(minutes / shape.minutes_a_step(size)))
    overrides: dict[str, str | float] = {"data.path": str(path)}
    if recipe != "mnist" or look.one_square != size:
        overrides["data.size"] = size
    overrides["training.max_minutes"] = minutes
    told = " ".join(argument(key, value) for key, value in overrides.items())
    return Suggestion(
        f"noiseloom train {recipe} {told}",
        recipe,
        overrides,
        round(minutes + EVALUATION_MINUTES + _preparing_minutes(look), 1),
        shape.memory(size),
        tuple(_words(look, size, steps, captioned)),
    )


def look_at(path: str, *, labels: bool = True) -> Look:
    """Count the images at a place and read the headers of a sample of them."""
    source = find_source(path, Wanted(None, None, labels, None, 0.1))
    if isinstance(source, IdxSource):
        look = _look_idx(source)
    elif isinstance(source, ParquetSource):
        look = _look_parquet(source)
    else:
        look = _look_folder(source)
    if not look.headers:
        raise DataError(nothing_left(Path(path), source, look.sampled_bad))
    return look


def _look_idx(source: IdxSource) -> Look:
    files = {role: IdxFile(path) for role, path in source.files.items() if "images" in role}
    train = files["train images"]
    height, width, channels = image_shape(train)
    header = Header(width, height, channels == 1, "IDX")
    classes: dict[str, int] = {}
    if "train labels" in source.files:
        labels = IdxFile(source.files["train labels"])
        counts = Counter(int(label) for chunk in labels.chunks() for label in chunk.reshape(-1))
        classes = {str(label): counts[label] for label in sorted(counts)}
    reference = len(files["t10k images"]) if "t10k images" in files else None
    return Look(len(train), classes, [header], source.skipped, reference=reference)


def _look_folder(source: Source) -> Look:
    assert isinstance(source, FolderSource)
    listing = source.listing
    train = [file for file in listing.files if not file.reference]
    counts = Counter(file.label for file in train)
    classes = {name: counts[label] for label, name in enumerate(listing.class_names)}
    reference = len(listing.files) - len(train) if listing.split else None
    look = Look(len(train), classes, [], listing.skipped, reference=reference)
    sample = train[:: max(1, len(train) // SAMPLED)]
    _read_headers(look, ((file.name, listing.root / file.name) for file in sample))
    return look


def _look_parquet(source: ParquetSource) -> Look:
    counts, num = source.counts(), source.total(reference=False)
    classes = {name: counts[name] for name in source.class_names}
    reference = source.total(reference=True) if source.split else None
    look = Look(num, classes, [], source.skipped, reference=reference)
    first = islice(source.pictures(), min(num, SAMPLED))  # the others lie behind these
    _read_headers(look, ((picture.name, picture.encoded) for picture in first))
    return look


def _read_headers(look: Look, sample: Iterable[tuple[str, Encoded]]) -> None:
    with quiet():
        for name, encoded in sample:
            try:
                look.headers.append(read_header(encoded))
            except BadImageError as error:
                look.sampled_bad.add(name, error.reason)


def _size(look: Look) -> int:
    """Pixels a side: the images' own where small, else `USUAL`; in steps of the patch, 4."""
    own = look.one_square or int(np.median(look.short_sides))
    if look.one_square is None or own > LARGEST_OWN:
        own = min(own, USUAL)
    return max(8, -(-own // 4) * 4)


def _preparing_minutes(look: Look) -> float:
    pixels = float(np.mean([header.width * header.height for header in look.headers]))
    opening = 0 if look.headers[0].mode == "IDX" else FILE_SECONDS
    return look.num * (opening + DECODING_SECONDS * pixels) / 60


def argument(key: str, value: str | float) -> str:
    """`key=value` as a shell takes it and YAML reads it back as the same text."""
    plain = not isinstance(value, str) or re.fullmatch(PLAIN, value, re.ASCII)
    return shlex.quote(f"{key}={value if plain else json.dumps(value, ensure_ascii=False)}")


def _words(look: Look, size: int, steps: int, captioned: bool) -> list[str]:
    kinds = f" in {len(look.classes)} classes" if len(look.classes) > 1 else " without labels"
    kinds = " with captions" if captioned else kinds
    passes = steps * BATCH / look.num
    words = [f"{look.num:,} training images{kinds}; each is seen about {passes:,.0f} times."]
    if look.num < MEMORISED:
        words.append(
            f"{look.num:,} images are few: the model will memorise them, and what it draws will be "
            "copies and mixtures of them. That shows the machinery works, not that it can invent. "
            f"Some thousands are needed for that; nearest_train_ratio in the report tells."
        )
    elif look.num < SMALL:
        words.append(
            f"With {look.num:,} images expect recognisable but rough pictures, some of them close "
            "to training images: look at nearest_train_ratio in the report."
        )
    else:
        words.append(
            "That is enough to learn from. Expect clear pictures of simple things (digits, "
            "symbols, clothing) and soft, sketchy ones of photographs: these take hours, or a GPU."
        )
    words += _about_size(look, size, captioned)
    few = [name for name, count in look.classes.items() if count < 50]
    if len(look.classes) > 1 and few:
        words.append(
            f"{len(few)} classes have fewer than 50 images ({', '.join(few[:5])}): they will look "
            "alike or be copied."
        )
    if len(look.skipped) or len(look.sampled_bad):
        both = look.skipped.merged(look.sampled_bad.merged({}))
        words.append(
            f"Some files cannot be used ({in_words(both)} among those looked at): "
            "noiseloom data check lists them."
        )
    return words


def _about_size(look: Look, size: int, captioned: bool) -> list[str]:
    """What cutting and shrinking loses."""
    words = []
    area = float(np.median([header.width * header.height for header in look.headers]))
    short = float(np.median(look.short_sides))
    header = look.headers[len(look.headers) // 2]
    if short > size:
        words.append(
            f"Images such as {header.width:,} x {header.height:,} shrink to {size} x {size}, "
            f"1 of {short**2 / size**2:,.0f} pixels: layout and colour stay; faces, text and "
            f"texture are lost. data.size={2 * size} keeps four times as many, at more than four "
            "times the work."
        )
    elif short < size and look.one_square != size:
        words.append(f"Images of {short:.0f} pixels are enlarged to {size}: nothing is gained.")
    if short**2 < 0.95 * area and captioned:
        words.append(
            f"Images that are not square go to the nearest of several shapes of the area of {size} "
            f"x {size}, so that little is cut off; data.buckets=null cuts out the middle square."
        )
    elif short**2 < 0.95 * area:
        words.append(
            f"Only the middle square is used: {100 * (1 - short**2 / area):.0f} % of a typical "
            "image is cut off at the edges."
        )
    return words
