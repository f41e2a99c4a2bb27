"""Line-aligned files: found in a folder by their names, and read as pairs of lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from noiseloom.data.documents import Document, read_documents
from noiseloom.data.skipped import Skipped
from noiseloom.data.tokenizer import Kind
from noiseloom.errors import DataError

Part = Literal["train", "validation", "test"]
PREFIXES: Mapping[str, Part] = {
    "train": "train",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
Pair = tuple[str, str]


@dataclass(frozen=True)
class PairFiles:
    """A file of sources, and one whose lines are their translations."""

    source: Path
    target: Path


def files_of_folder(
    folder: Path, languages: Sequence[str] | None, *, without: Collection[Part] = ()
) -> dict[Part, PairFiles]:
    """The parts of a folder by the names of its files, but those in `without`.

    A name is a part, whatever follows, the language and perhaps `.gz`: `train.en.gz`,
    `val.de`, `test_2016.en`. Raises DataError where they do not make pairs.
    """
    if not folder.is_dir():
        raise DataError(
            f"There is no folder {folder}; data.path names one with files such as train.en and "
            "train.de. Single files are named with data.source=FILE data.target=FILE"
        )
    named = _by_stem(folder)
    source, target = languages or _languages(folder, named)
    found: dict[Part, PairFiles] = {}
    for stem, files in sorted(named.items()):
        part = next((part for prefix, part in PREFIXES.items() if stem.startswith(prefix)), None)
        if part is None or part in without or not files.keys() & {source, target}:
            continue
        if lacking := {source, target} - files.keys():
            there = next(iter(files.values())).name
            raise DataError(f"{folder} holds {there}, but no {stem}.{lacking.pop()} beside it")
        if part in found:
            option = "data." if part == "train" else f"data.{part}_"
            raise DataError(
                f"{folder} holds two {part} parts, {found[part].source.name} and "
                f"{files[source].name}. Say which is meant with {option}source=FILE "
                f"{option}target=FILE"
            )
        found[part] = PairFiles(files[source], files[target])
    if "train" not in found and "train" not in without:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
        raise DataError(
            f"{folder} holds no train.{source} and train.{target}, with .gz or without; it holds "
            f"{there or 'no files'}. Name the languages with data.languages=[SOURCE,TARGET], or "
            "the files with data.source=FILE data.target=FILE"
        )
    return found


def read_pairs(files: PairFiles, kind: Kind, skipped: Skipped) -> list[Pair]:
    """The pairs of lines, without white space round them; those with an empty side are `skipped`.

    `kind` is the tokenizer's: to one of bytes anything is text. Raises DataError where the numbers
    of lines differ, or a line is no text.
    """
    source, target = (_lines(path, kind) for path in (files.source, files.target))
    if len(source) != len(target):
        raise DataError(
            f"{files.source} has {len(source):,} lines and {files.target} has {len(target):,}; "
            "line by line one must be the translation of the other. Find where they part, and "
            "add the missing lines (an empty one will do: such a pair is skipped)"
        )
    pairs = []
    for number, pair in enumerate(zip(source, target, strict=True), 1):
        if all(pair):
            pairs.append(pair)
        else:
            path = files.target if pair[0] else files.source
            skipped.add(f"{path.name}:{number}", "empty line")
    return pairs


def _by_stem(folder: Path) -> dict[str, dict[str, Path]]:
    """Files by what stands before the language in their name, then by language."""
    named: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        stem, _, language = path.name.removesuffix(".gz").rpartition(".")
        if path.is_file() and stem:
            named.setdefault(stem, {})[language] = path
    return named


def _languages(folder: Path, named: Mapping[str, Mapping[str, Path]]) -> tuple[str, str]:
    """DataError that says which languages there are, since nobody said which is the source."""
    counts = Counter(
        language
        for stem, files in named.items()
        for language in files
        if stem.startswith(tuple(PREFIXES))
    )
    known = sorted(counts)
    example = ",".join(known[:2]) if len(known) > 1 else "en,de"
    raise DataError(
        f"{folder} holds files in {', '.join(known) or 'no language'}; say which is translated "
        f"into which: data.languages=[{example}]"
    )


def _lines(path: Path, kind: Kind) -> list[str]:
    """The lines of a file; only a line feed ends one, so that lines of two files stay aligned."""
    document = Document(str(path), path)
    (text,) = read_documents(
        [document], kind, megabytes=None, source=str(path), progress=None
    ).texts
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.strip() for line in lines]
