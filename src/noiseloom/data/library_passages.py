"""Passages of Python's standard library, and the package each is from: a table on every machine.

The larger packages, a few lines a passage, read where Python lies and never copied. Whole files are
held out, so that no passage is measured on whose neighbours were trained on: of each package those
that come first by a hash of their content and are no more than the share wanted, or its smallest.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from noiseloom.data.assembly import hash_of
from noiseloom.data.python_source import python_files
from noiseloom.data.rows import Rows

PACKAGES = (
    "asyncio",
    "ctypes",
    "email",
    "http",
    "importlib",
    "json",
    "logging",
    "multiprocessing",
    "sqlite3",
    "unittest",
    "xml",
)
LINES = 3  # that are not empty, in a passage
SOURCE = "passages of Python's standard library, by package"


def documents() -> list[tuple[str, Path]]:
    """The files of the packages, each with its package's name, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    named = [(path.relative_to(root).parts[0], path) for path in python_files()]
    return [(package, path) for package, path in named if package in PACKAGES]


def read(files: Sequence[tuple[str, Path]], held_out: float) -> Rows:
    """All passages of the files; a share of each package's files is held out, by content hash."""
    names = tuple(sorted({package for package, _ in files}))
    by_package: dict[str, list[list[str]]] = {name: [] for name in names}
    for package, path in files:
        by_package[package].append(_passages(path.read_text(encoding="utf-8")))
    texts: dict[bool, list[tuple[str, ...]]] = {False: [], True: []}
    numbers: dict[bool, list[int]] = {False: [], True: []}
    for label, passages in enumerate(by_package.values()):
        held = _held(passages, held_out)
        for place, found in enumerate(passages):
            texts[place in held] += [(one,) for one in found]
            numbers[place in held] += [label] * len(found)
    train, reference = (np.array(numbers[held], np.int64) for held in (False, True))
    counts = {"train": train, "reference": reference}
    return Rows(
        train=texts[False],
        reference=texts[True],
        train_labels=train,
        reference_labels=reference,
        class_names=names,
        report={
            "reference": f"whole files, held out by content hash, a share of {held_out:g}",
            "classes": {
                name: {part: int((found == label).sum()) for part, found in counts.items()}
                for label, name in enumerate(names)
            },
            "notes": [
                "No table was named: each passage is three lines of a larger package of Python's "
                "standard library, as it lies on this machine, and its class is the package."
            ],
        },
    )


def _passages(content: str) -> list[str]:
    lines = [line for line in content.splitlines() if line.strip()]
    return ["\n".join(lines[start : start + LINES]) for start in range(0, len(lines), LINES)]


def _held(files: Sequence[list[str]], share: float) -> set[int]:
    """Which files of a package, given as their passages, are held out."""
    filled = [place for place, passages in enumerate(files) if passages]
    if len(filled) < 2:
        return set()
    left, held = share * sum(map(len, files)), set[int]()
    for place in sorted(filled, key=lambda one: hash_of("\0".join(files[one]).encode())):
        if len(files[place]) <= left:
            held.add(place)
            left -= len(files[place])
    return held or {min(filled, key=lambda one: len(files[one]))}
