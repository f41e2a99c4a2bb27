"""Texts as they were read, beside their tokens: memory-mapped, so that a million cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np


class RawTexts(Sequence[tuple[str, ...]]):
    """Rows of texts, each of the same number of `columns`."""

    def __init__(self, content: np.ndarray, ends: np.ndarray, columns: int) -> None:
        self.content, self.ends, self.columns = content, ends, columns

    def __len__(self) -> int:
        return len(self.ends) // self.columns

    def __getitem__(self, row: int) -> tuple[str, ...]:  # type: ignore[override]
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return tuple(self._text(row * self.columns + column) for column in range(self.columns))

    def part(self, rows: slice) -> RawTexts:
        """The rows from `rows.start` to `rows.stop` alone."""
        first, last = rows.start * self.columns, rows.stop * self.columns
        begin = int(self.ends[first - 1]) if first else 0
        return RawTexts(self.content[begin:], self.ends[first:last] - begin, self.columns)

    def column(self, number: int) -> list[str]:
        """All texts of one column."""
        return [self._text(place) for place in range(number, len(self.ends), self.columns)]

    @property
    def bytes(self) -> int:
        """The length of all texts together, in UTF-8."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def _text(self, place: int) -> str:
        start = int(self.ends[place - 1]) if place else 0
        found = self.content[start : int(self.ends[place])].tobytes()
        return found.decode("utf-8", "surrogateescape")


def write_texts(folder: Path, split: str, rows: Iterable[Sequence[str]]) -> None:
    """Write rows of texts for `read_texts`, one after the other."""
    ends, total = [], 0
    aside = folder / f".{split}.txt"
    with aside.open("wb") as file:
        for row in rows:
            for text in row:
                total += file.write(text.encode("utf-8", "surrogateescape"))
                ends.append(total)
    mapped = np.lib.format.open_memmap(folder / f"{split}_texts.npy", "w+", np.uint8, (total,))
    with aside.open("rb") as file:
        file.readinto(mapped.data)
    mapped.flush()
    aside.unlink()
    np.save(folder / f"{split}_ends.npy", np.array(ends, np.int64))


def read_texts(folder: Path, split: str, columns: int) -> RawTexts:
    """What `write_texts` wrote."""
    content = np.load(folder / f"{split}_texts.npy", mmap_mode="r")
    return RawTexts(content, np.load(folder / f"{split}_ends.npy", mmap_mode="r"), columns)


def texts_in_memory(rows: Sequence[Sequence[str]]) -> RawTexts:
    """Rows of texts that are in no file."""
    encoded = [text.encode("utf-8", "surrogateescape") for row in rows for text in row]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    content = np.frombuffer(b"".join(encoded), np.uint8)
    return RawTexts(content, ends, len(rows[0]) if rows else 1)
