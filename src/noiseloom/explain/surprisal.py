"""How surprising each word of a text is to a model of text, in bits.

A model says -log2 p of each token given those before it; a word's bits are the sum over its tokens.
What is longer than a model reads at once is read in windows that begin half a window apart, so that
each token is given half a window before it, at least; every token is counted once. The first of a
text is given to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import Tokenizer
from noiseloom.errors import InputError
from noiseloom.seeds import Random
from noiseloom.tasks import Scores

TOKENS_AT_ONCE = 16_384
SPACE = b" \t\r\n\v\f"


@dataclass(frozen=True)
class Word:
    """A run of tokens up to the next space, with the spaces before it; `first` is its first token.

    `bits` are those of its tokens together.
    """

    text: str
    bits: float
    first: int
    tokens: int


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


def words_of(tokenizer: Tokenizer, tokens: np.ndarray, bits: np.ndarray) -> list[Word]:
    """The words of a text with the bits of each; specials are words of their own, as `<end>`.

    Their texts together are the text, and their bits those of all its tokens.
    """
    words: list[Word] = []
    first = 0
    for place in range(1, len(tokens) + 1):
        ends = place == len(tokens)
        if ends or _begins(tokenizer, tokens[first:place], int(tokens[place])):
            part = tokens[first:place]
            text = _spelled(tokenizer, part)
            words.append(Word(text, float(bits[first:place].sum()), first, len(part)))
            first = place
    return words


def most_surprising(
    tokenizer: Tokenizer, windows: np.ndarray, bits: np.ndarray, most: int, before: int
) -> list[tuple[Word, str]]:
    """The words of windows (N, L) with most bits, each with up to `before` characters before it.

    The first and the last word of a window may be cut, and are left out.
    """
    found = []
    for row, own in zip(windows, bits, strict=True):
        for word in words_of(tokenizer, row, own)[1:-1]:
            if word.text.strip():
                found.append((word, row))
    found.sort(key=lambda pair: -pair[0].bits)
    return [(word, _spelled(tokenizer, row[: word.first])[-before:]) for word, row in found[:most]]


def _begins(tokenizer: Tokenizer, word: np.ndarray, token: int) -> bool:
    """Whether a word ends before this token: it begins with a space, and the word is no space."""
    piece, own = tokenizer.piece(token), tokenizer.decode_bytes(word)
    if not piece or not own:
        return True  # a special stands alone
    return piece[0] in SPACE and bool(own.strip(SPACE))


def _spelled(tokenizer: Tokenizer, tokens: Sequence[int] | np.ndarray) -> str:
    """The text of tokens, specials by their names."""
    spelled = [
        tokenizer.piece(int(token)) or tokenizer.specials[int(token) - tokenizer.pieces].encode()
        for token in tokens
    ]
    return b"".join(spelled).decode("utf-8", "replace")
