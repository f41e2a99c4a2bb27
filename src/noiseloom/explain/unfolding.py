"""How texts came out of masks: in which order their tokens appeared, and so their words.

A model of masked text looks at all of a text at once, and writes in each look those tokens that it
is surest of, wherever they stand. A word appeared when the last of its tokens did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.evaluate.correlation import spearman
from noiseloom.explain.words import spaced_words
from noiseloom.seeds import Random
from noiseloom.tasks import WritesAnywhere, Writing
from noiseloom.tasks.holes import show


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A text (L,) of tokens, and the look from 1 on in which each appeared; 0 for what was given.

    `never` is the look of a token that no look has written: the text ended before it.
    """

    tokens: np.ndarray
    look: np.ndarray
    looks: int

    @property
    def never(self) -> int:
        return self.looks + 1


@dataclass(frozen=True)
class Appeared:
    """A word, and the look in which the last of its tokens appeared."""

    text: str
    look: int


def unfolded(
    task: WritesAnywhere, prompts: Sequence[str], writing: Writing, random: Random, mask: int
) -> list[Unfolded]:
    """Have the task write texts in answer to `prompts`, and see when each token appeared.

    `mask` is the number of a token that is hidden. Raises InputError as `Writes.write` does.
    """
    looks = [[list(row) for row in rows] for rows in task.uncover(prompts, writing, random)]
    return [_unfolded([rows[place] for rows in looks], mask) for place in range(len(prompts))]


def _unfolded(states: Sequence[Sequence[int]], mask: int) -> Unfolded:
    """A text from what stood before and after each look; it may grow between them."""
    last, looks = np.array(states[-1]), len(states) - 1
    look = np.full(len(last), looks + 1)
    for number in range(looks, -1, -1):
        row = np.full(len(last), mask)
        row[: len(states[number])] = states[number]
        look[row != mask] = number
    return Unfolded(last, look, looks)


def after_look(text: Unfolded, tokenizer: Tokenizer, look: int) -> list[tuple[str, int]]:
    """What stood after a look, in runs of tokens that appeared together; hidden ones as `_`.

    Each run is its text and the look in which it appeared.
    """
    seen = np.where(text.look <= look, text.look, text.never)
    tokens = np.where(text.look <= look, text.tokens, tokenizer.vocabulary)
    cuts = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(tokens)]
    return [
        (show(tokenizer, tokens[a:b].tolist()), int(seen[a])) for a, b in pairwise(cuts) if b > a
    ]


def words_by_look(text: Unfolded, tokenizer: Tokenizer) -> list[Appeared]:
    """The words of a text that was written, in its order."""
    written = text.tokens != tokenizer.vocabulary
    tokens, looks = text.tokens[written], text.look[written]
    return [
        Appeared(word.text, int(looks[word.first : word.end].max()))
        for word in spaced_words(tokenizer, tokens)
    ]


def order_correlation(texts: Sequence[Unfolded]) -> float | None:
    """How much like reading tokens appeared: 1 from left to right, 0 in no order, -1 backwards.

    It is Spearman's correlation of the places of a text's tokens with the looks in which they
    appeared, on average over texts; None where each appeared in one look.
    """
    found = []
    for text in texts:
        own = text.look[(text.look > 0) & (text.look < text.never)]
        if len(np.unique(own)) > 1:
            found.append(spearman(np.arange(len(own)), own))
    return float(np.mean(found)) if found else None
