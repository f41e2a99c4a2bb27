"""The words of a text that stands in tokens, which may be parts of words, or bytes of letters.

They are cut in two ways: where letters and digits begin and end, so that a sign is a word of its
own; or before each space, as people count words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.tasks.question_answering import Words

SPACE = b" \t\r\n\v\f"


@dataclass(frozen=True)
class Word:
    """`text`, spelled by the tokens from `first` up to `end` of a text, the `column` of its item.

    The blanks about it are its own, so that all words together are the text.
    """

    text: str
    first: int
    end: int
    column: int = 0


def words_of(tokenizer: Tokenizer, tokens: Sequence[int], column: int = 0) -> list[Word]:
    """The words of `tokens`; what is no letter or digit is a word of its own."""
    if not tokens:
        return []
    begins, _ = Words(tokenizer).bounds(torch.tensor([list(tokens)]))
    firsts = begins[0].nonzero()[:, 0].tolist() or [0]
    firsts[0] = 0  # blanks before the first word
    ends = [*firsts[1:], len(tokens)]
    return [
        Word(tokenizer.decode(tokens[first:end]), first, end, column)
        for first, end in zip(firsts, ends, strict=True)
    ]


def spaced_words(tokenizer: Tokenizer, tokens: np.ndarray) -> list[Word]:
    """The words of `tokens` (L,), each with the spaces before it; `<end>` and such stand alone."""
    words: list[Word] = []
    first = 0
    for place in range(1, len(tokens) + 1):
        part = tokens[first:place]
        if place == len(tokens) or _begins(tokenizer, part, int(tokens[place])):
            words.append(Word(spelled(tokenizer, part), first, place))
            first = place
    return words


def spelled(tokenizer: Tokenizer, tokens: np.ndarray) -> str:
    """The text of tokens (L,), specials by their names."""
    pieces = [
        tokenizer.piece(int(token)) or tokenizer.specials[int(token) - tokenizer.pieces].encode()
        for token in tokens
    ]
    return b"".join(pieces).decode("utf-8", "replace")


def _begins(tokenizer: Tokenizer, word: np.ndarray, token: int) -> bool:
    """Whether a word ends before this token: it begins with a space, and the word is no space."""
    piece, own = tokenizer.piece(token), tokenizer.decode_bytes(word)
    if not piece or not own:
        return True  # a special stands alone
    return piece[0] in SPACE and bool(own.strip(SPACE))
