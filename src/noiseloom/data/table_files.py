"""Rows of tables in files: CSV, TSV, JSON lines (each gzipped too) and Parquet.

Every value is text: as it stands, or as JSON writes a number. What is neither, such as a list, is
left out of its row. The rule for bad rows is the same everywhere: a row that is no valid UTF-8, has
a wrong number of fields or is longer than 10 MB is skipped and listed with its file and line; the
rest is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from noiseloom.data.delimited import Delimited
from noiseloom.data.lines import NOT_UTF8, TOO_LONG, not_utf8, numbered_lines
from noiseloom.data.parquet import opened
from noiseloom.data.skipped import Skipped
from noiseloom.errors import DataError, InputError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
NOT_JSON = "not a JSON object"
HALF = re.compile("[\ud800-\udfff]")  # no character, and nothing that UTF-8 can write
ROWS = 1_000  # of a Parquet file read at once


class TableFile(Protocol):
    """A file of rows; `name` is what it is called in reports."""

    @property
    def path(self) -> Path: ...

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in their order; DataError where there are none."""

    def rows(self, skipped: Skipped) -> Iterator[tuple[str, dict[str, str]]]:
        """Where each row stands, `file:line`, and its values by column; bad ones are `skipped`."""


def kind_of(path: Path) -> str | None:
    """The suffix that says what a table is, without gzip's; None for no table."""
    suffixes = [one.lower() for one in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in SUFFIXES else None


def table_file(path: Path, name: str | None = None) -> TableFile:
    """The reader of a file; InputError where its suffix names no table."""
    name = str(path) if name is None else name
    match kind_of(path):
        case ".csv":
            return Delimited(path, name, ",", quoted=True)
        case ".tsv":
            return Delimited(path, name, "\t", quoted=False)
        case ".jsonl" | ".ndjson":
            return JsonLines(path, name)
        case ".parquet":
            return ParquetRows(path, name)
    raise InputError(
        f"{path} is no table that can be read. Allowed are files that end in {', '.join(SUFFIXES)}"
        ", each but the last with .gz after it or not"
    )


@dataclass(frozen=True)
class JsonLines:
    """An object a line; the columns are those of the first one that can be read."""

    path: Path
    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        for _, values in self.rows(Skipped()):
            return tuple(values)
        raise DataError(f"{self.name} holds no line with a JSON object")

    def rows(self, skipped: Skipped) -> Iterator[tuple[str, dict[str, str]]]:
        for place, found in self.objects(skipped):
            values = _as_text(found)
            if any(HALF.search(text) for text in (*values, *values.values())):
                skipped.add(place, NOT_UTF8, "half of a surrogate pair")
            else:
                yield place, values

    def objects(self, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
        """Where each line stands, and its object as it is."""
        for number, line in numbered_lines(self.path, self.name):
            place = f"{self.name}:{number}"
            if line is None:
                skipped.add(place, TOO_LONG)
                continue
            if not line.strip():
                continue
            if byte := not_utf8(line):
                skipped.add(place, NOT_UTF8, byte)
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                skipped.add(place, NOT_JSON, str(error))
                continue
            if not isinstance(found, dict):
                skipped.add(place, NOT_JSON)
            else:
                yield place, found


@dataclass(frozen=True)
class ParquetRows:
    """The rows of a Parquet file; of its columns those that hold no lists or structures."""

    path: Path
    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        with opened(self.path) as file:
            return tuple(field.name for field in file.schema_arrow if not field.type.num_fields)

    def rows(self, skipped: Skipped) -> Iterator[tuple[str, dict[str, str]]]:
        columns, number = list(self.columns), 0
        with opened(self.path) as file:
            for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{self.name}:{number}", _as_text(row)


def _as_text(row: dict[str, Any]) -> dict[str, str]:
    """The values of a row that are text or numbers, as text; one that is missing is empty."""
    values = {}
    for name, value in row.items():
        if value is None or isinstance(value, str):
            values[name] = value or ""
        elif isinstance(value, bool | int | float):
            values[name] = json.dumps(value)
    return values
