"""A text that is longer than a model reads at once, in windows that overlap.

Windows begin and end where words do, so that their tokens are those of the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from noiseloom.data.tokenizer import Tokenizer

NOWHERE = (-1, -1)
"""The span of an answer in a window where it does not stand."""

WORD_START = re.compile(r"(?<=\S)\s(?=\S)")


def windows(text: str, tokenizer: Tokenizer, *, context: int, stride: int) -> list[tuple[int, int]]:
    """Where each window stands in `text`, [first, after) in characters: the whole where it fits.

    Each holds up to `context` tokens; they begin about `stride` tokens apart.
    """
    lengths = tokenizer.byte_lengths[tokenizer.encode(text)]
    if len(lengths) <= context:
        return [(0, len(text))]
    places = _places(text)
    starts = np.concatenate([[0], lengths.cumsum()])  # the byte that each token begins with
    cuts = sorted({0, len(text), *(one.start() for one in WORD_START.finditer(text))})
    cuts = _finer(cuts, np.searchsorted(starts, places[cuts]), context)
    tokens = np.searchsorted(starts, places[cuts])  # before each cut
    found, first = list[tuple[int, int]](), 0
    while True:
        after = max(first + 1, int(np.searchsorted(tokens, tokens[first] + context, "right")) - 1)
        if not found or cuts[after] > found[-1][1]:  # else it is a part of the one before
            found.append((cuts[first], cuts[after]))
        if after == len(cuts) - 1:
            return found
        following = int(np.searchsorted(tokens, tokens[first] + stride, "right")) - 1
        first = min(max(first + 1, following), after)


def in_windows(
    rows: Sequence[tuple[str, ...]],
    spans: np.ndarray,
    tokenizer: Tokenizer,
    *,
    context: int,
    stride: int,
    keep_answers: bool,
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Rows whose first text is a window, with the spans (N, 2) of characters in it, or `NOWHERE`.

    The windows of a row follow one another. With `keep_answers` one more is added for an answer
    that is whole in none of them: the one that begins with it.
    """
    known: dict[str, list[tuple[int, int]]] = {}
    made, stand = [], []
    for (text, *others), (first, after) in zip(rows, spans.tolist(), strict=True):
        if text not in known:
            known[text] = windows(text, tokenizer, context=context, stride=stride)
        shown = known[text]
        if keep_answers and not any(low <= first and after <= high for low, high in shown):
            begin = text.rfind(" ", 0, first) + 1
            shown = [*shown, _first(text, begin, tokenizer, context)]
        for low, high in shown:
            made.append((text[low:high], *others))
            holds = low <= first and after <= high
            stand.append((first - low, after - low) if holds else NOWHERE)
    return made, np.array(stand, np.int64).reshape(-1, 2)


def _first(text: str, begin: int, tokenizer: Tokenizer, context: int) -> tuple[int, int]:
    low, high = windows(text[begin:], tokenizer, context=context, stride=context)[0]
    return begin + low, begin + high


def _places(text: str) -> np.ndarray:
    """The byte that each character begins with, and where the last ends, (characters + 1,)."""
    lengths = [len(character.encode("utf-8", "surrogateescape")) for character in text]
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _finer(cuts: list[int], tokens: np.ndarray, context: int) -> list[int]:
    """The cuts, with one at every character of a word that is too long for a window."""
    more = [
        place
        for (one, two), (before, after) in zip(pairwise(cuts), pairwise(tokens), strict=True)
        if after - before > context
        for place in range(one + 1, two)
    ]
    return sorted({*cuts, *more})
