"""Captions beside image files: `metadata.csv` or `.jsonl`, or a `.txt` of each image's own name.

The first is Hugging Face's imagefolder form: a row for each image, whose `file_name` is relative to
the file that names it; several rows of one image, or a list, are several captions of it. In a
`.txt` each line is a caption. A caption without image is skipped and counted.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseloom.data.lines import NOT_UTF8, not_utf8
from noiseloom.data.skipped import Skipped
from noiseloom.data.table_files import HALF, JsonLines, table_file
from noiseloom.errors import DataError
from noiseloom.menu import nearest

METADATA = ("metadata.csv", "metadata.jsonl")
FILE_NAME = "file_name"
COLUMNS = ("text", "caption", "captions", "prompt", "description", "sentences")  # in this order
WITHOUT_IMAGE = "caption without an image"
WITHOUT_CAPTION = "image without a caption"
WITHOUT_NAME = f"row without a {FILE_NAME}"


@dataclass(frozen=True)
class CaptionFiles:
    """The captions of images by their names, and the files they stand in, below the root."""

    captions: Mapping[str, Sequence[str]]
    files: Sequence[str]
    kind: str


def read_captions(
    root: Path, images: Collection[str], column: str | None, skipped: Skipped
) -> CaptionFiles:
    """The captions of `images` (names below `root`); DataError where there are none at all.

    `column` is that of metadata files; None: found by its name.
    """
    metadata = sorted(path for path in root.rglob("metadata.*") if path.name in METADATA)
    if metadata:
        return _from_metadata(root, metadata, images, column, skipped)
    if column is not None:
        raise DataError(
            f"data.column is '{column}', and {root} has no {' or '.join(METADATA)} with columns. "
            "Leave it out where captions stand in .txt files"
        )
    return _from_texts(root, images, skipped)


def choose_column(columns: Sequence[str], asked: str | None, where: str) -> str:
    """The column that holds captions; DataError, with those there are, where none can be told."""
    if asked is not None:
        if asked in columns:
            return asked
        close = nearest(asked, columns)
        raise DataError(
            f"{where} has no column '{asked}' (data.column). It has: {', '.join(columns) or 'none'}"
            + (f". Did you mean '{close}'?" if close else "")
        )
    for name in COLUMNS:
        if name in columns:
            return name
    if len(columns) == 1:
        return columns[0]
    raise DataError(
        f"{where} has no column called {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}, so that its "
        f"captions cannot be told. It has: {', '.join(columns) or 'none'}. Name one with "
        "data.column=NAME"
    )


def texts_of(value: object) -> list[str]:
    """The captions in a field: a text, or a list of them.

    What is empty, or holds half a character, which no UTF-8 can spell, is left out.
    """
    values = value if isinstance(value, list) else [value]
    texts = [" ".join(one.split()) for one in values if isinstance(one, str)]
    return [text for text in texts if text and not HALF.search(text)]


def _from_metadata(
    root: Path,
    paths: Sequence[Path],
    images: Collection[str],
    column: str | None,
    skipped: Skipped,
) -> CaptionFiles:
    known, found = frozenset(images), defaultdict[str, list[str]](list)
    for path in paths:
        name = path.relative_to(root).as_posix()
        rows = _rows(path, name, skipped)
        chosen: str | None = None
        for place, row in rows:
            if chosen is None:
                others = [one for one in row if one != FILE_NAME]
                chosen = choose_column(others, column, str(path))
            file = row.get(FILE_NAME)
            if not isinstance(file, str) or not file.strip():
                skipped.add(place, WITHOUT_NAME)
                continue
            image = posixpath.normpath(posixpath.join(posixpath.dirname(name), file.strip()))
            if image not in known:
                skipped.add(place, WITHOUT_IMAGE, file)
                continue
            found[image] += texts_of(row.get(chosen))
    names = [path.relative_to(root).as_posix() for path in paths]
    return CaptionFiles(found, names, f"images with {paths[0].name}")


def _rows(path: Path, name: str, skipped: Skipped) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each row stands, and its fields; of JSON lines as they are, lists too."""
    if path.suffix == ".jsonl":
        return JsonLines(path, name).objects(skipped)
    return iter(table_file(path, name).rows(skipped))


def _from_texts(root: Path, images: Collection[str], skipped: Skipped) -> CaptionFiles:
    found: dict[str, list[str]] = {}
    used: dict[str, None] = {}
    for image in images:
        name = posixpath.splitext(image)[0] + ".txt"
        path = root / name
        if not path.is_file():
            continue
        used[name] = None
        text = path.read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        if byte := not_utf8(text):
            skipped.add(name, NOT_UTF8, byte)
        else:
            found[image] = texts_of(text.split("\n"))
    if not used:
        raise DataError(
            f"{root} has no captions. Needed is {' or '.join(METADATA)} with the columns "
            f"{FILE_NAME} and text, or beside each image a .txt of the same name. To train without "
            "captions, use data images"
        )
    for path in sorted(root.rglob("*.txt")):
        name = path.relative_to(root).as_posix()
        if name not in used and path.is_file():
            skipped.add(name, WITHOUT_IMAGE)
    return CaptionFiles(found, list(used), "images with a .txt each")
