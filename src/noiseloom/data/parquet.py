"""Parquet files in Hugging Face's image form: a column of `{bytes, path}`, perhaps integer labels.

The image column is the one the `huggingface` metadata calls an Image, else the first of that form.
Labels come from the column `label`, else from the one the metadata calls a ClassLabel, else from
`labels`; they are whole numbers, and -1 or nothing means unknown. Their names are those of the
metadata, else the numbers. In a folder, files (or the folders they lie in) called `train` are
trained on, and `test`, else `validation`, is the reference; without such names a share is held out.
Rows are read a few at a time, twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.data.content import Progress
from noiseloom.data.encoded import Gallery, Picture, Wanted
from noiseloom.data.parquet_files import ParquetFiles
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.errors import DataError, InputError
from noiseloom.menu import nearest

ROWS = 32  # read at a time
BUFFER_BYTES = 2**20
UNKNOWN = -1


@dataclass(frozen=True)
class Columns:
    """Which columns hold images and labels (None: none), and the classes' names if they are told.

    `unused` are other columns that could have been taken.
    """

    image: str
    label: str | None
    class_names: tuple[str, ...]
    unused: tuple[str, ...]


class ParquetSource:
    """Images inside Parquet files; the labels are read at once, the images by `build`."""

    def __init__(self, files: ParquetFiles, wanted: Wanted) -> None:
        self.files, self.split = files, bool(files.reference)
        self.skipped, self.ignored = Skipped(), files.ignored
        with opened(files.train[0]) as file:
            self.columns = read_columns(file.schema_arrow, files.train[0])
        use_labels = wanted.labels or bool(wanted.classes)
        self.label_column = self.columns.label if use_labels else None
        self.notes = [f"Columns not used: {', '.join(self.columns.unused)}."]
        self.notes *= bool(self.columns.unused)
        labels = {path: self._read_labels(path) for path, _ in self._parts()}
        self.class_names: tuple[str, ...] = ()
        self.labels = labels  # per file and row, UNKNOWN where there is none
        self.kept = {path: np.ones(len(rows), dtype=bool) for path, rows in labels.items()}
        if self.label_column is not None:
            self._use_labels(wanted)
        elif wanted.classes:
            raise DataError(f"data.classes is given, but {files.root} has no column of labels.")

    @property
    def kind(self) -> str:
        return "Parquet files with labels" if self.class_names else "Parquet files"

    def paths(self) -> list[tuple[str, Path]]:
        return [(self.files.name(path), path) for path, _ in self._parts()]

    def counts(self) -> Counter[str]:
        """Images to train on by class; of data without labels, all under an empty name."""
        number: Counter[str] = Counter()
        for path in self.files.train:
            for label, rows in zip(
                *np.unique(self.labels[path][self.kept[path]], return_counts=True), strict=True
            ):
                number[self.class_names[label] if self.class_names else ""] += int(rows)
        return number

    def total(self, *, reference: bool) -> int:
        """The number of images of a part."""
        part = self.files.reference if reference else self.files.train
        return sum(int(self.kept[path].sum()) for path in part)

    def pictures(self) -> Iterator[Picture]:
        """Every image to be used, in the order of files and rows."""
        for path, reference in self._parts():
            rows = zip(self._rows(path), self.labels[path], strict=True)
            for (name, content), label in compress(rows, self.kept[path]):
                yield Picture(name, int(label), reference, content)

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        """Write the arrays into `folder` and answer what was found on the way."""
        names = self.class_names if wanted.labels else ()
        if not wanted.labels:
            self.labels = {path: np.full_like(rows, -1) for path, rows in self.labels.items()}
        total = self.total(reference=False) + self.total(reference=True)
        gallery = Gallery(
            self.files.root, total, self.pictures, names, self.split, self._nothing_left
        )
        return gallery.build(folder, wanted, progress)

    def _parts(self) -> list[tuple[Path, bool]]:
        train, reference = self.files.train, self.files.reference
        return [(path, False) for path in train] + [(path, True) for path in reference]

    def _read_labels(self, path: Path) -> np.ndarray:
        """The labels of a file's rows, UNKNOWN where there is none."""
        with opened(path) as file:
            found = read_columns(file.schema_arrow, path)
            mine = (found.image, found.label if self.label_column else None)
            if mine != (self.columns.image, self.label_column):
                raise DataError(
                    f"{path} has images in '{found.image}' and labels in '{found.label}', where "
                    f"{self.files.train[0].name} has them in '{self.columns.image}' and "
                    f"'{self.columns.label}'. Put files of one form into a folder."
                )
            if self.label_column is None:
                return np.full(file.metadata.num_rows, UNKNOWN, dtype=np.int64)
            column = file.read(columns=[self.label_column], use_threads=False)
            values = column.column(self.label_column).cast("int64").fill_null(UNKNOWN)
            return values.to_numpy()

    def _use_labels(self, wanted: Wanted) -> None:
        """Count labels from 0 among the classes wanted; leave aside what has no class."""
        values = np.unique(np.concatenate(list(self.labels.values())))
        names = self.columns.class_names or tuple(str(v) for v in values if v >= 0)
        known = range(len(names)) if self.columns.class_names else values[values >= 0].tolist()
        number = {int(value): index for index, value in enumerate(known)}
        asked = self._asked(names, wanted.classes)
        new = {value: asked.get(names[index], UNKNOWN) for value, index in number.items()}
        for path, old in self.labels.items():
            strange = np.setdiff1d(old, [UNKNOWN, *number])
            if len(strange):
                raise DataError(
                    f"{path} has the label {strange[0]}; its {len(names)} class names allow 0 "
                    f"to {len(names) - 1}, and -1 for none. data.labels=none leaves labels out."
                )
            unlabelled = np.flatnonzero(old == UNKNOWN)
            if len(unlabelled) == len(old) and len(old):
                raise DataError(
                    f"No image of {path} has a label, though there is a column "
                    f"'{self.label_column}'. Take the file out, or write data.labels=none."
                )
            for row in unlabelled.tolist():
                detail = "data.labels=none uses every image"
                self.skipped.add(self._row_name(path, row), "without a label", detail)
            self.labels[path] = np.array([new.get(v, UNKNOWN) for v in old.tolist()], np.int64)
            self.kept[path] = self.labels[path] >= 0
            other = len(old) - int(self.kept[path].sum()) - len(unlabelled)
            if other:
                self.ignored["in a class not asked for"] += other
        self.class_names = tuple(asked)

    def _asked(self, names: tuple[str, ...], classes: tuple[str, ...] | None) -> dict[str, int]:
        """The classes to use, each with its label from 0."""
        for name in classes or ():
            if name not in names:
                close = nearest(name, names)
                raise DataError(
                    f"data.classes names '{name}', of which {self.files.root} has no image. It "
                    f"has: {', '.join(names[:20])}."
                    + (f" Did you mean '{close}'?" if close else "")
                )
        used = [name for name in names if classes is None or name in classes]
        return {name: index for index, name in enumerate(used)}

    def _rows(self, path: Path) -> Iterator[tuple[str, bytes]]:
        """Name and encoded image (empty where there is none) of every row."""
        row = 0
        with opened(path) as file:
            for batch in file.iter_batches(ROWS, columns=[self.columns.image], use_threads=False):
                for value in batch.column(0).to_pylist():
                    value = value or {}
                    place = value.get("path")
                    yield self._row_name(path, row, place), value.get("bytes") or b""
                    row += 1

    def _row_name(self, path: Path, row: int, place: str | None = None) -> str:
        name = f"{self.files.name(path)}, row {row}"
        return f"{name} ({place})" if place else name

    def _nothing_left(self, bad: Skipped) -> str:
        skipped = self.skipped.merged(bad.merged({}))
        return (
            f"There is no usable image in {self.files.root}. "
            + (f"Skipped: {in_words(skipped)}. " if skipped["count"] else "It has no rows. ")
            + f"The column '{self.columns.image}' must hold the images themselves in 'bytes', not "
            "only their paths."
        )


def read_columns(schema: Any, path: Path) -> Columns:
    """Which columns to read; DataError where there is no image among them."""
    pa, _ = _pyarrow()
    features = _features(schema)
    images = [field.name for field in schema if _holds_images(pa, field.type)]
    told = [name for name in images if _kind(features, name) == "Image"]
    if not images:
        have = ", ".join(f"{field.name} ({_short(field.type)})" for field in schema)
        raise DataError(
            f"{path} has no column of images. It has: {have or 'no column at all'}. Needed is a "
            "column of {bytes, path}, as the datasets library writes images."
        )
    numbers = [field.name for field in schema if pa.types.is_integer(field.type)]
    classes = [name for name in numbers if _kind(features, name) == "ClassLabel"]
    candidates = [
        *(name for name in numbers if name == "label"),
        *classes,
        *(name for name in numbers if name == "labels"),
    ]
    image, label = (told or images)[0], next(iter(candidates), None)
    names = features.get(label or "", {}).get("names") or ()
    unused = [name for name in dict.fromkeys([*images, *candidates]) if name not in (image, label)]
    return Columns(image, label, tuple(map(str, names)), tuple(unused))


def has_images(schema: Any) -> bool:
    """Whether one of a file's columns holds images."""
    pa, _ = _pyarrow()
    return any(_holds_images(pa, field.type) for field in schema)


def _holds_images(pa: Any, kind: Any) -> bool:
    """Whether a column's type is a struct with binary `bytes`."""
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    inner = kind.field("bytes").type
    return bool(pa.types.is_binary(inner) or pa.types.is_large_binary(inner))


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """The columns as the datasets library describes them; {} where it does not."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: kind for name, kind in told.items() if isinstance(kind, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _kind(features: dict[str, dict[str, Any]], name: str) -> object:
    return features.get(name, {}).get("_type")


def _short(kind: object) -> str:
    text = str(kind)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "Reading Parquet files needs the package pyarrow, which is not installed. "
            "Install it with: pip install 'noiseloom[hf]'"
        ) from None
    return pyarrow, pyarrow.parquet


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as pyarrow's; whatever pyarrow objects to becomes one DataError."""
    pa, parquet = _pyarrow()
    try:
        # Without these two a whole row group would be held, which may be as large as the file.
        with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
        with path.open("rb") as raw:
            beginning = raw.read(16)
        said = "empty" if not beginning else f"cut short, damaged or no Parquet file ({error})"
        start = f" It begins with {beginning!r}." if beginning[:4] not in (b"", b"PAR1") else ""
        raise DataError(f"{path} is {said}.{start} Download it again.") from None
