"""Captions as tokens, for models that are asked for items in words.

A caption is read in lower case with single spaces: "A Red circle" asks for what "a red circle"
does. "No caption" is a row of padding alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.tokenizer import PAD, Kind, Tokenizer

SPECIALS = (PAD,)
FILE = "captions.json"
WORD = re.compile(r"\w+(?:['’-]\w+)*")  # of letters and digits, with what joins them
EXAMPLES = 32  # captions kept to draw by where nobody asks for any


@dataclass(frozen=True)
class Encoded:
    """Tokens (N, L), int64, of N captions, and what was lost on the way.

    `cut` are the captions of which only the first L tokens were taken; `unseen` the words that no
    training caption holds, in the order they were met.
    """

    tokens: np.ndarray
    cut: tuple[str, ...]
    unseen: tuple[str, ...]


class TextReader(Protocol):
    """A model that reads texts and is not trained: at most `longest` tokens of its own of one.

    `given` is what a person calls it.
    """

    given: str
    longest: int

    def too_long(self, texts: Sequence[str]) -> list[int]:
        """The places of the texts of which only the first tokens are read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Captions:
    """How captions become tokens: the `tokenizer`, and the most tokens of one, `longest`.

    `words` are all that the training captions hold, `examples` a few captions of held-out items.
    `model` reads them for a network, where that has not learned its own words.
    """

    tokenizer: Tokenizer
    longest: int
    words: frozenset[str]
    examples: tuple[str, ...] = ()
    model: TextReader | None = None

    @property
    def padding(self) -> int:
        """The token that fills a caption up."""
        return self.tokenizer.special(PAD)

    def read_by(self, model: TextReader) -> Captions:
        """The same captions, read by a frozen text model."""
        return replace(self, model=model)

    def encode(self, captions: Sequence[str]) -> Encoded:
        """The captions as tokens; InputError for one that the tokenizer cannot spell."""
        tokens = self.nothing(len(captions))
        cut: list[str] = []
        unseen: dict[str, None] = {}
        read = self.tokenizer.encode_all([_spaced(caption) for caption in captions])
        for row, caption, found in zip(tokens, captions, read, strict=True):
            kept = found[: self.longest]
            row[: len(kept)] = kept
            if len(found) > self.longest:
                cut.append(caption)
            unseen |= dict.fromkeys(word for word in words_of(caption) if word not in self.words)
        return Encoded(tokens, tuple(cut), tuple(unseen))

    def decode(self, tokens: np.ndarray) -> list[str]:
        """The captions (N, L) in words; "" for no caption."""
        return [self.tokenizer.decode(row).strip() for row in tokens]

    def nothing(self, number: int) -> np.ndarray:
        """The rows that stand for no caption, (number, L) int64."""
        return np.full((number, self.longest), self.padding, np.int64)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `captions.json`."""
        self.tokenizer.save(folder)
        content = {
            "longest": self.longest,
            "examples": self.examples,
            "words": sorted(self.words),
        }
        (folder / FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Captions:
        """What `save` wrote."""
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(
            tokenizer=tokenizers.load(folder),
            longest=content["longest"],
            words=frozenset(content["words"]),
            examples=tuple(content["examples"]),
        )


def learn_captions(
    kind: Kind,
    training: Iterable[str],
    *,
    longest: int,
    vocabulary: int,
    examples: Sequence[str] = (),
    spelled: Iterable[str] | None = None,
) -> Captions:
    """How captions like those of `training` become tokens, of at most `vocabulary` pieces.

    The tokenizer learns from these, or from all that are to be `spelled`. Of `examples` the first
    are kept. Raises what `tokenizer.learn` does.
    """
    known = list(training)
    tokenizer = tokenizers.learn(
        kind,
        map(_spaced, known if spelled is None else spelled),
        vocabulary=vocabulary,
        specials=SPECIALS,
        at_most=True,
    )
    return Captions(
        tokenizer=tokenizer,
        longest=longest,
        words=frozenset(word for caption in known for word in words_of(caption)),
        examples=tuple(examples[:EXAMPLES]),
    )


def caption_arrays(captions: Captions, rows: Sequence[Sequence[str]]) -> tuple[np.ndarray, int]:
    """Captions of items as `Split.captions`, (N, K, L) int32, and how many were cut.

    Each row has the same number of captions, of which those that are empty are absent.
    """
    most = len(rows[0]) if rows else 1
    array = np.full((len(rows), most, captions.longest), captions.padding, np.int32)
    present = [[one for one in row if one.strip()] for row in rows]
    encoded = captions.encode([one for row in present for one in row])
    first = 0
    for place, row in enumerate(present):
        array[place, : len(row)] = encoded.tokens[first : first + len(row)]
        first += len(row)
    return array, len(encoded.cut)


def words_of(caption: str) -> list[str]:
    """The words of a caption, in lower case."""
    return WORD.findall(caption.lower())


def _spaced(caption: str) -> str:
    """As the tokenizer reads it: a space before each word, the first one too."""
    return "".join(f" {word}" for word in caption.lower().split())
