"""Passages of the training text that stand in other texts, letter for letter.

As in evaluation (`evaluate.copying`), what counts is twenty characters in a row or more: fewer are
shared by any two texts of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noiseloom.evaluate.copying import CHUNK, GRAM, gram_hashes

RULE = 2.0  # times as long as in 99 % of held-out texts: a text with such a run is a copy
USUAL = 0.99


@dataclass(frozen=True)
class SharedRun:
    """`length` characters, from `start` of a text and from `place` of the source."""

    start: int
    length: int
    place: int


def shared_runs(texts: Sequence[str], source: str) -> list[list[SharedRun]]:
    """Of each text the runs of `GRAM` characters or more that stand in `source`.

    Each is as long as it can be; the longest first.
    """
    grams = [gram_hashes(text) for text in texts]
    asked = np.unique(np.concatenate([*grams, np.empty(0, np.uint64)]))
    places, numbers = _places_of(asked, source)
    order = np.argsort(numbers, kind="stable")
    places, numbers = places[order], numbers[order]
    return [
        _runs(np.searchsorted(asked, one), places, numbers) if len(one) else [] for one in grams
    ]


def longest(runs: Sequence[SharedRun]) -> int:
    """The length of the longest run; 0 for none."""
    return max((run.length for run in runs), default=0)


def copy_length(held_out: Sequence[Sequence[SharedRun]]) -> float:
    """The length of a run above which a text is a copy, by the runs of held-out texts."""
    lengths = [max(GRAM, longest(runs)) for runs in held_out]
    return RULE * float(np.quantile(lengths, USUAL))


def covered(length: int, runs: Sequence[SharedRun]) -> np.ndarray:
    """For each character of a text the length of the longest run that it is in, (length,)."""
    cover = np.zeros(length, int)
    for run in runs:
        part = cover[run.start : run.start + run.length]
        np.maximum(part, run.length, out=part)
    return cover


def _places_of(asked: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Where in `source` the grams of these hashes (sorted) begin, and which each is."""
    places, numbers = [], []
    for start in range(0, len(source), CHUNK):
        there = gram_hashes(source[start : start + CHUNK + GRAM - 1])
        if len(asked) and len(there):
            number = np.minimum(np.searchsorted(asked, there), len(asked) - 1)
            found = np.flatnonzero(asked[number] == there)
            places.append(found + start)
            numbers.append(number[found])
    none = np.empty(0, int)
    return np.concatenate([none, *places]), np.concatenate([none, *numbers])


def _runs(own: np.ndarray, places: np.ndarray, numbers: np.ndarray) -> list[SharedRun]:
    """The runs of a text whose grams are `own`; `numbers` is sorted, beside the `places` of each.

    Grams that follow one another both in the text and in the source make one run.
    """
    first, after = np.searchsorted(numbers, own), np.searchsorted(numbers, own, side="right")
    starts = np.repeat(np.arange(len(own)), after - first)
    if not len(starts):
        return []
    there = np.concatenate([places[a:b] for a, b in zip(first, after, strict=True)])
    order = np.lexsort((starts, there - starts))
    starts, there = starts[order], there[order]
    same = (np.diff(there - starts) == 0) & (np.diff(starts) == 1)
    cuts = np.flatnonzero(~same) + 1
    begins, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [len(starts)]])
    runs = [
        SharedRun(int(starts[begin]), int(end - begin) + GRAM - 1, int(there[begin]))
        for begin, end in zip(begins, ends, strict=True)
    ]
    return sorted(runs, key=lambda run: -run.length)
