"""Images with captions: a folder with `metadata.csv` or `.jsonl`, `.txt` files, or Parquet.

See `caption_files` and `captioned_sources` for where captions stand, `caption_tokens` for how they
are read, and `image_files` for what becomes of the images.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.buckets import Buckets
from noiseloom.data.caption_tokens import (
    Captions,
    caption_arrays,
    learn_captions,
    words_of,
)
from noiseloom.data.captioned_sources import (
    Captioned,
    CaptionedFolder,
    CaptionedParquet,
    Rows,
)
from noiseloom.data.content import Progress
from noiseloom.data.dataset import CaptionedDataset
from noiseloom.data.encoded import Wanted
from noiseloom.data.huggingface import PREFIX, fetch
from noiseloom.data.image_files import ImageFiles
from noiseloom.data.parquet_files import find_parquet
from noiseloom.data.raw_texts import read_texts, write_texts
from noiseloom.data.rows import suited_vocabulary
from noiseloom.data.tokenizer import Kind
from noiseloom.errors import InputError

VERSION = 1  # of the rules from files to arrays: raised when they change
SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Config(ImageFiles):
    """Images of your own, each with one caption or several."""

    path: str = option(
        help="a folder of images with metadata.csv, metadata.jsonl or .txt files, Parquet files, or"
        " hf://OWNER/NAME"
    )
    column: str | None = option(
        None, "the column that holds captions; null: text, caption, captions, prompt, …"
    )
    most: Annotated[int, Ge(1)] = option(5, "captions of an image that are used, at most")
    tokenizer: Kind = option("bpe", "what a token of a caption is")
    vocabulary: Annotated[int, Ge(1)] | None = option(
        None, "how many pieces bpe and wordpiece learn at most; null: as suits the captions"
    )
    longest: Annotated[int, Ge(1)] = option(64, "tokens of a caption that are read, at most")
    buckets: Annotated[int, Ge(1)] | None = option(
        None,
        "shapes of the area of a square of data.size that images of any aspect are brought to, at "
        "most; null: that square alone",
    )
    bucket_step: Annotated[int, Ge(1)] = option(
        8, "pixels of which the sides of buckets are multiples; a multiple of network.patch"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.buckets is None:
            return
        if self.size is None:
            raise ValueError(
                f"buckets is {self.buckets} and size is not given; set data.size, whose square is "
                "the area of each bucket"
            )
        if self.size % self.bucket_step:
            raise ValueError(
                f"size is {self.size} and bucket_step {self.bucket_step}: with buckets, allowed "
                "are sizes that are a multiple of it"
            )

    def describe_source(self) -> str:
        """The source in a few words."""
        return f"images with captions from {self.path}"

    def open(self, progress: Progress | None = None) -> CaptionedDataset:
        """Prepare images and captions, or find them prepared.

        Raises InputError where the path is wrong, DataError where the data is, MachineError where
        the cache cannot be written.
        """
        channels = None if self.channels == "auto" else self.channels
        wanted = Wanted(self.size, channels, False, None, self.held_out)
        source = self._find(wanted)
        facts = {
            "column": self.column,
            "most": self.most,
            "tokenizer": self.tokenizer,
            "vocabulary": self.vocabulary,
            "longest": self.longest,
        }
        if self.buckets is not None:
            facts |= {"buckets": self.buckets, "bucket_step": self.bucket_step}
        prepared = self.prepare(
            source, wanted, progress, kind="captions", version=VERSION, captions=facts
        )
        known = prepared.details["captions"]
        report = self.report(source, prepared)
        report["captions"] = known
        report["warnings"] += self._warnings(known)
        report["item_shape"] = list(prepared.train.item_shape)
        self.refuse(report)
        columns = known["of_an_image"]
        return CaptionedDataset(
            train=prepared.train,
            reference=prepared.reference,
            class_names=(),
            fingerprint=prepared.fingerprint,
            report=report,
            cache=prepared.learned,
            flip=self.flip,
            augment_probability=self.augment,
            captions=Captions.load(prepared.folder),
            train_captions=read_texts(prepared.folder, "train", columns),
            reference_captions=read_texts(prepared.folder, "reference", columns),
        )

    def _find(self, wanted: Wanted) -> Captioned:
        """What lies at the path; InputError where nothing does."""
        buckets = None if self.buckets is None else Buckets(self.buckets, self.bucket_step)
        path = fetch(self.path) if self.path.startswith(PREFIX) else Path(self.path).expanduser()
        try:
            if parquet := find_parquet(path):
                return CaptionedParquet(parquet, wanted, self.column, self._keep, buckets)
            if path.is_dir():
                return CaptionedFolder(path, self.column, self._keep, buckets)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be looked into: {error.strerror or error}."
            ) from None
        raise InputError(
            f"There is no folder at {self.path} (looked for {path.absolute()}). Write "
            "data.path=FOLDER: one of images with captions, or Parquet files."
        )

    def _keep(self, folder: Path, train: Rows, held_out: Rows) -> dict[str, Any]:
        """Learn the words of the training captions, and write all as tokens and as they are."""
        parts = {"train": train, "reference": held_out}
        columns = min(self.most, max(len(row) for part in parts.values() for row in part))
        rows = {name: [_filled(row, columns) for row in part] for name, part in parts.items()}
        known = [caption for row in rows["train"] for caption in row if caption]
        every = [*known, *(caption for row in rows["reference"] for caption in row if caption)]
        vocabulary = self.vocabulary or suited_vocabulary(sum(map(len, known)))
        captions = learn_captions(
            self.tokenizer,
            known,
            spelled=every if self.tokenizer == "characters" else None,
            longest=self.longest,
            vocabulary=vocabulary,
            examples=[row[0] for row in rows["reference"]],
        )
        cut = 0
        for name, part in rows.items():
            tokens, beyond = caption_arrays(captions, part)
            cut += beyond
            np.save(folder / f"{name}_captions.npy", tokens)
            write_texts(folder, name, part)
        captions.save(folder)
        counts = Counter(min(len(row), columns) for part in parts.values() for row in part)
        unseen = {
            word
            for row in rows["reference"]
            for caption in row
            for word in words_of(caption)
            if word not in captions.words
        }
        return {
            "captions": {
                "count": sum(number * images for number, images in counts.items()),
                "of_an_image": columns,
                "images_by_number": {str(number): counts[number] for number in sorted(counts)},
                "left_out": sum(
                    max(0, len(row) - columns) for part in parts.values() for row in part
                ),
                "cut": cut,
                "longest": self.longest,
                "vocabulary": captions.tokenizer.vocabulary,
                "words": len(captions.words),
                "held_out_words_never_trained_on": len(unseen),
                "of_sides": sum(bool(SIDES.search(caption)) for caption in known),
            }
        }

    def _warnings(self, known: dict[str, Any]) -> list[str]:
        """What a person should know of the captions before training on them."""
        said = []
        if known["cut"]:
            said.append(
                f"{known['cut']:,} of {known['count']:,} captions are longer than data.longest="
                f"{self.longest} tokens and are cut there."
            )
        if known["left_out"]:
            said.append(
                f"{known['left_out']:,} captions are not used: data.most={self.most} of an image "
                "are."
            )
        if self.flip and known["of_sides"]:
            said.append(
                f"data.flip=true mirrors images, and {known['of_sides']:,} captions speak of left "
                "or right, which then is wrong half of the time."
            )
        return said


def _filled(row: Sequence[str], columns: int) -> list[str]:
    kept = list(row[:columns])
    return kept + [""] * (columns - len(kept))
