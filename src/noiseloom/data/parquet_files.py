"""The Parquet files of a folder, and which of them are trained on: by their names, none is opened.

A file's part is the word its name begins with (`train-00000-of-00002.parquet`, `test.parquet`), or
the name of the folder it lies in (`train/0000.parquet`).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from noiseloom.data.decode import SUFFIXES
from noiseloom.errors import DataError, InputError

SUFFIX = ".parquet"
PART = re.compile(r"(train|test|validation|valid|val)(?=[-_.]|$)", re.IGNORECASE)
REFERENCE_PARTS = ("test", "validation", "valid", "val")  # the first that is there is used


@dataclass(frozen=True)
class ParquetFiles:
    """What to train on and what is the reference (none: a share is to be held out)."""

    root: Path
    train: tuple[Path, ...]
    reference: tuple[Path, ...] = ()
    ignored: Counter[str] = field(default_factory=Counter)

    def name(self, path: Path) -> str:
        """A file's name, which does not depend on where the folder lies."""
        return path.name if path == self.root else path.relative_to(self.root).as_posix()


def find_parquet(path: Path) -> ParquetFiles | None:
    """A Parquet file, or those of a folder without image files; None where there is none.

    Raises DataError where there is a reference and nothing to train on, InputError where a folder
    holds several data sets.
    """
    if path.is_file():
        return ParquetFiles(path, (path,)) if path.suffix.lower() == SUFFIX else None
    files: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                return None
            if suffix == SUFFIX:
                files.append(Path(folder, name))
    return _divided(path, files) if files else None


def _divided(root: Path, files: list[Path]) -> ParquetFiles:
    """The files by their parts."""
    by_part: dict[str, list[Path]] = {}
    homes = set()
    for path in files:
        part, home = _part(root, path)
        by_part.setdefault(part, []).append(path)
        homes |= {home} if part else set()
    if len(homes) > 1:
        listed = ", ".join(sorted(home.relative_to(root).as_posix() for home in homes)[:10])
        raise InputError(
            f"{root} holds several data sets, in the folders {listed}. Name one of them: "
            f"data.path={root}/FOLDER."
        )
    unnamed = by_part.pop("", [])
    if not by_part:
        return ParquetFiles(root, tuple(unnamed))
    if "train" not in by_part:
        raise DataError(
            f"{root} has Parquet files for {', '.join(by_part)} but none whose name begins with "
            "train. The reference is never trained on: add the training files."
        )
    chosen = next((part for part in REFERENCE_PARTS if part in by_part), None)
    ignored = Counter({"a Parquet file that is neither train, test nor validation": len(unnamed)})
    for part, paths in by_part.items():
        if part not in ("train", chosen):
            ignored[f"in the part {part}, where {chosen} is the reference"] += len(paths)
    reference = by_part[chosen] if chosen else []
    return ParquetFiles(root, tuple(by_part["train"]), tuple(reference), +ignored)


def _part(root: Path, path: Path) -> tuple[str, Path]:
    """The part a file is of ("": none is told), and the folder of the data set it belongs to."""
    own = PART.match(path.name)
    if own:
        return own[1].lower(), path.parent
    folder = PART.match(path.parent.name) if path.parent != root else None
    return (folder[1].lower(), path.parent.parent) if folder else ("", path.parent)
