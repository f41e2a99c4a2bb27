"""Images with captions, from files or out of Parquet, and the way of both into prepared arrays.

What has no caption is skipped and counted, as is a caption without image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from noiseloom.data.buckets import Buckets
from noiseloom.data.caption_files import (
    WITHOUT_CAPTION,
    choose_column,
    read_captions,
    texts_of,
)
from noiseloom.data.content import Progress
from noiseloom.data.encoded import Gallery, Picture, Wanted
from noiseloom.data.folder import list_folder
from noiseloom.data.parquet import ParquetSource, opened
from noiseloom.data.parquet_files import ParquetFiles
from noiseloom.data.skipped import Skipped
from noiseloom.data.sources import Source, nothing_left

Rows = Sequence[Sequence[str]]
Keep = Callable[[Path, Rows, Rows], dict[str, Any]]
"""Keeps the captions of the images trained on, and of those held out, in a folder."""


class Captioned(Source, Protocol):
    """Images at one place, whose captions are known."""

    captions: Rows
    """Of each picture, in their order."""

    keep: Keep


class CaptionedFolder:
    """Image files below a folder, and their captions beside them."""

    def __init__(self, root: Path, column: str | None, keep: Keep, buckets: Buckets | None) -> None:
        self.listing = list_folder(root, labels=False, classes=None)
        self.skipped, self.ignored = self.listing.skipped, self.listing.ignored
        self.notes, self.split = self.listing.notes, self.listing.split
        names = [file.name for file in self.listing.files]
        found = read_captions(root, names, column, self.skipped)
        for suffix, used in Counter(Path(name).suffix for name in found.files).items():
            self.ignored[f"not an image ({suffix})"] -= used  # it is a caption
        self.ignored = +self.ignored
        self.caption_files = found.files
        self.kind = found.kind + (", in train and reference parts" if self.split else "")
        self.files = [file for file in self.listing.files if found.captions.get(file.name)]
        for file in self.listing.files:
            if not found.captions.get(file.name):
                self.skipped.add(file.name, WITHOUT_CAPTION)
        self.captions: Rows = [found.captions[file.name] for file in self.files]
        self.keep, self.buckets = keep, buckets

    def paths(self) -> list[tuple[str, Path]]:
        """See `Source.paths`."""
        if not self.files:
            return []
        names = [*(file.name for file in self.files), *self.caption_files]
        return [(name, self.listing.root / name) for name in names]

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        """See `Source.build`."""
        root = self.listing.root
        gallery = Gallery(
            root,
            len(self.files),
            self._pictures,
            (),
            self.split,
            lambda bad: nothing_left(root, self, bad),
            _keeping(self),
            self.buckets,
        )
        return gallery.build(folder, wanted, progress)

    def _pictures(self) -> Iterator[Picture]:
        root = self.listing.root
        for place, file in enumerate(self.files):
            yield Picture(file.name, -1, file.reference, root / file.name, place)


class CaptionedParquet:
    """Images inside Parquet files, with a column of captions: texts, or lists of texts."""

    def __init__(
        self,
        files: ParquetFiles,
        wanted: Wanted,
        column: str | None,
        keep: Keep,
        buckets: Buckets | None,
    ) -> None:
        self.source = ParquetSource(files, wanted)
        self.skipped: Skipped = self.source.skipped
        self.ignored, self.split = self.source.ignored, self.source.split
        self.kind, self.notes = "Parquet files with captions", self.source.notes
        with opened(files.train[0]) as file:
            self.column = choose_column(
                text_columns(file.schema_arrow), column, str(files.train[0])
            )
        self.captions: Rows = []
        for path in (*files.train, *files.reference):
            self.captions = [*self.captions, *self._read(path)]
        self.keep, self.buckets = keep, buckets

    def paths(self) -> list[tuple[str, Path]]:
        """See `Source.paths`."""
        return self.source.paths() if self.captions else []

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        """See `Source.build`."""
        source = self.source
        gallery = Gallery(
            source.files.root,
            len(self.captions),
            self._pictures,
            (),
            self.split,
            lambda bad: nothing_left(source.files.root, self, bad),
            _keeping(self),
            self.buckets,
        )
        return gallery.build(folder, wanted, progress)

    def _pictures(self) -> Iterator[Picture]:
        for place, picture in enumerate(self.source.pictures()):
            yield replace(picture, label=-1, place=place)

    def _read(self, path: Path) -> list[list[str]]:
        """The captions of a file's rows that have any; the others are left out of the source."""
        with opened(path) as file:
            choose_column(text_columns(file.schema_arrow), self.column, str(path))
            read = file.read(columns=[self.column], use_threads=False)
            rows = [texts_of(value) for value in read.column(self.column).to_pylist()]
        kept = self.source.kept[path]
        for row in np.flatnonzero(kept).tolist():
            if not rows[row]:
                kept[row] = False
                self.skipped.add(f"{self.source.files.name(path)}, row {row}", WITHOUT_CAPTION)
        return [rows[row] for row in np.flatnonzero(kept).tolist()]


def text_columns(schema: Any) -> list[str]:
    """The columns of a Parquet file that hold texts, or lists of texts."""
    import pyarrow as pa  # `opened` has said what to install where it is not there

    def is_text(kind: Any) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def holds(kind: Any) -> bool:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return is_text(kind.value_type if is_list else kind)

    return [field.name for field in schema if holds(field.type)]


def _keeping(source: Captioned) -> Callable[[Path, np.ndarray, np.ndarray], dict[str, Any]]:
    """Sorts the captions of the pictures that were used, and has them kept."""

    def keep(folder: Path, places: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
        train, held = (
            [source.captions[place] for place in places[side].tolist()]
            for side in (~reference, reference)
        )
        return source.keep(folder, train, held)

    return keep
