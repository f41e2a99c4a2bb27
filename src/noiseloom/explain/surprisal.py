"""How surprising each word of a text is to a model of text, in bits.

A model says -log2 p of each token given those before it; a word's bits are the sum over its tokens.
What is longer than a model reads at once is read in windows that begin half a window apart, so that
each token is given half a window before it, at least; every token is counted once. The first of a
text is given to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import Tokenizer
from noiseloom.errors import InputError
from noiseloom.explain.words import Word, spaced_words, spelled
from noiseloom.seeds import Random
from noiseloom.tasks import Scores

TOKENS_AT_ONCE = 16_384


@dataclass(frozen=True)
class Surprise:
    """A word up to the next space, and the bits of its tokens together."""

    word: Word
    bits: float


def window_nats(task: Scores, windows: np.ndarray, *, seed: int, purpose: str) -> np.ndarray:
    """The nats of windows' tokens but the first, (N, L) float64."""
    step = max(1, TOKENS_AT_ONCE // windows.shape[1])
    parts = []
    for start in range(0, len(windows), step):
        items = windows[start : start + step]
        places = range(start, start + len(items))
        random = Random(seed, places, total=len(windows)).under(purpose)
        parts.append(task.score(items, random).double().numpy())
    return np.concatenate(parts)


def text_bits(task: Scores, form: TextForm, tokens: np.ndarray, *, seed: int) -> np.ndarray:
    """The bits of each token of a text (L,), 0 for the first; InputError where there is no other.

    A text that is no longer than a window has the bits that `Scores.score` says.
    """
    length, longest = len(tokens), form.context + 1
    if length < 2:
        raise InputError(
            f"The text has a length of {length} in tokens; the first is given, so that it needs "
            "two or more"
        )
    if length <= longest:
        starts = [0]
    else:
        starts = [*range(0, length - longest, max(1, form.context // 2)), length - longest]
    windows = np.stack([tokens[start : start + longest] for start in starts])
    nats = window_nats(task, windows, seed=seed, purpose="explain text")
    bits, done = np.zeros(length), 1
    for start, row in zip(starts, nats, strict=True):
        end = start + 1 + len(row)
        bits[done:end] = row[done - start - 1 :] / math.log(2)
        done = end
    return bits


def surprises(tokenizer: Tokenizer, tokens: np.ndarray, bits: np.ndarray) -> list[Surprise]:
    """The words of a text, whose tokens have these bits: together they have all of them."""
    words = spaced_words(tokenizer, tokens)
    return [Surprise(word, float(bits[word.first : word.end].sum())) for word in words]


def most_surprising(
    tokenizer: Tokenizer, windows: np.ndarray, bits: np.ndarray, most: int, before: int
) -> list[tuple[Surprise, str]]:
    """The words of windows (N, L) with most bits, each with up to `before` characters before it.

    The first and the last word of a window may be cut, and are left out.
    """
    found = [
        (one, row)
        for row, own in zip(windows, bits, strict=True)
        for one in surprises(tokenizer, row, own)[1:-1]
        if one.word.text.strip()
    ]
    found.sort(key=lambda pair: -pair[0].bits)
    return [(one, spelled(tokenizer, row[: one.word.first])[-before:]) for one, row in found[:most]]
