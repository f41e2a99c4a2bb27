"""The words of a text that stands in tokens, which may be parts of words, or bytes of letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.tasks.question_answering import Words


@dataclass(frozen=True)
class Word:
    """`spelt` by the tokens from `first` up to `end` of a text; `text` is its number in the item.

    The blanks about it are its own, so that all words together are the text.
    """

    spelt: str
    first: int
    end: int
    text: int = 0


def words_of(tokenizer: Tokenizer, tokens: Sequence[int], text: int = 0) -> list[Word]:
    """The words of `tokens`; what is no letter or digit is a word of its own."""
    if not tokens:
        return []
    begins, _ = Words(tokenizer).bounds(torch.tensor([list(tokens)]))
    firsts = begins[0].nonzero()[:, 0].tolist() or [0]
    firsts[0] = 0  # blanks before the first word
    ends = [*firsts[1:], len(tokens)]
    return [
        Word(tokenizer.decode(tokens[first:end]), first, end, text)
        for first, end in zip(firsts, ends, strict=True)
    ]
