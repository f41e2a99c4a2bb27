"""Which files of a table are trained on and which may be measured on: by their names.

A file's part is the word its name begins with (`train.tsv`, `test-00000-of-00002.parquet`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from noiseloom.data.table_files import SUFFIXES, TableFile, kind_of, table_file
from noiseloom.errors import DataError, InputError

PART = re.compile(r"(train|test|validation|valid|val|dev)(?=[-_.]|$)", re.IGNORECASE)
HELD_OUT = ("test", "validation", "valid", "val", "dev")  # the first that is labelled is used


@dataclass(frozen=True)
class TableParts:
    """Files to train on, and those of each part that could be the reference, best first.

    Without any a share of the rows is to be held out.
    """

    train: tuple[TableFile, ...]
    references: dict[str, tuple[TableFile, ...]] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> list[tuple[str, Path]]:
        """All of them, by the names they are spoken of."""
        parts = (self.train, *self.references.values())
        return [(file.name, file.path) for part in parts for file in part]


def find_tables(path: Path) -> TableParts:
    """A file, or those of a folder; DataError or InputError where they are not one data set."""
    if path.is_file():
        return TableParts((table_file(path, path.name),))
    if not path.is_dir():
        raise DataError(f"There is nothing at {path}; data.path names a table or a folder of some")
    found = sorted(one for one in path.iterdir() if one.is_file() and kind_of(one))
    if not found:
        raise DataError(f"{path} holds no table: no file that ends in {', '.join(SUFFIXES)}")
    by_part: dict[str, list[TableFile]] = {}
    for one in found:
        part = PART.match(one.name)
        by_part.setdefault(part[1].lower() if part else "", []).append(table_file(one, one.name))
    unnamed = by_part.pop("", [])
    if not by_part and len(unnamed) == 1:
        return TableParts(tuple(unnamed))
    if not by_part:
        listed = ", ".join(file.name for file in unnamed[:10])
        raise InputError(
            f"{path} holds several tables: {listed}. Name one of them with data.path, or let the "
            "names of the files begin with train and test"
        )
    if "train" not in by_part:
        raise DataError(
            f"{path} has tables for {', '.join(by_part)} but none whose name begins with train. "
            "What is measured on is never trained on: add the training file"
        )
    ignored = Counter({"tables that are neither train, test nor validation": len(unnamed)})
    references = {part: tuple(by_part[part]) for part in HELD_OUT if part in by_part}
    return TableParts(tuple(by_part["train"]), references, +ignored)
