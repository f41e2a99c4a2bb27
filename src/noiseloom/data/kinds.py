"""What kind of data lies at a path, from names and the first rows; nothing is read whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from noiseloom.data.caption_files import COLUMNS, METADATA
from noiseloom.data.captioned_sources import text_columns
from noiseloom.data.clip_files import VIDEO, moves
from noiseloom.data.idx import find_idx
from noiseloom.data.parquet import has_images, opened
from noiseloom.data.skipped import Skipped
from noiseloom.data.table_files import kind_of, table_file
from noiseloom.errors import DataError, InputError

DataKind = Literal["images", "captioned", "clips", "text", "table", "series", "pairs", "questions"]
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
ALIGNED = re.compile(r"(?P<part>.+)\.(?P<language>(?!gz$)[a-z]{2,3})(\.gz)?")  # train.en.gz
LOOKED_AT = 200  # files of a folder, and rows of a table
WORDY = 0.5  # of a column's values that hold several words: it is text


def data_kind(path: Path) -> DataKind:
    """What lies at `path`; InputError where nothing does, or files of no kind that is known."""
    if not path.exists():
        raise InputError(f"There is nothing at {path} (looked for {path.absolute()}).")
    if path.is_file():
        return _kind_of_file(path)
    files = [one for one in islice(sorted(path.rglob("*")), LOOKED_AT) if one.is_file()]
    if _move(files):
        return "clips"
    if find_idx(path) or any(one.suffix.lower() in PICTURES for one in files):
        return "captioned" if _has_captions_beside(path, files) else "images"
    if _are_aligned([one.name for one in files]):
        return "pairs"
    for one in files:
        if kind_of(one) is not None or one.suffix.lower() == ".json":
            return _kind_of_file(one)
    if not files:
        raise InputError(f"{path} is an empty folder.")
    return "text"


def _kind_of_file(path: Path) -> DataKind:
    if path.suffix.lower() == ".json":
        return "questions"
    if kind_of(path) is None:
        return "images" if path.suffix.lower() in PICTURES or find_idx(path.parent) else "text"
    if kind_of(path) == ".parquet" and _has_captions_inside(path):
        return "captioned"
    try:
        rows = [row for _, row in islice(table_file(path).rows(Skipped()), LOOKED_AT)]
    except DataError:  # of a Parquet file of pictures nothing is text
        return "images"
    columns = list(rows[0]) if rows else []
    if not columns:
        return "images" if kind_of(path) == ".parquet" else "table"
    if any(_is_text(row.get(column, "") for row in rows) for column in columns):
        return "table"
    return "images" if kind_of(path) == ".parquet" and _has_pictures(path) else "series"


def _move(files: Sequence[Path]) -> bool:
    """Whether files are clips: videos, or GIFs of which the first has several frames."""
    if any(one.suffix.lower() in VIDEO for one in files):
        return True
    first = next((one for one in files if one.suffix.lower() == ".gif"), None)
    return first is not None and moves(first)


def _has_captions_beside(folder: Path, files: Sequence[Path]) -> bool:
    """Whether images of a folder have captions: in a metadata file, or most of them in a .txt."""
    if any(one.name in METADATA for one in folder.rglob("metadata.*")):
        return True
    images = [one for one in files if one.suffix.lower() in PICTURES]
    return 2 * sum(one.with_suffix(".txt").is_file() for one in images) > len(images)


def _has_captions_inside(path: Path) -> bool:
    """Whether a Parquet file has images and a column named as captions are."""
    try:
        with opened(path) as file:
            schema = file.schema_arrow
            return has_images(schema) and not set(COLUMNS).isdisjoint(text_columns(schema))
    except DataError:
        return False  # whoever reads it says what is wrong with it


def _has_pictures(path: Path) -> bool:
    """Whether a Parquet file has a column of more than one value a row, as pictures are kept."""
    with opened(path) as file:
        return any(field.type.num_fields for field in file.schema_arrow)


def _is_text(values: Iterable[str]) -> bool:
    """Whether a column's values are words rather than numbers or names."""
    given = [value for value in values if value]
    return sum(" " in value.strip() for value in given) > WORDY * len(given)


def _are_aligned(names: Sequence[str]) -> bool:
    """Whether files are named as one part in two languages, such as train.en and train.de."""
    found: dict[str, set[str]] = {}
    for name in names:
        if match := ALIGNED.fullmatch(name):
            found.setdefault(match["part"], set()).add(match["language"])
    known = {"txt", "csv", "tsv", "json", "md", "py", "yml"}
    return any(len(languages - known) == 2 for languages in found.values())
