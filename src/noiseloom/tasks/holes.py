"""Prompts with holes: `<mask>` stands for one token that is not known, `<mask:5>` for five.

In a prompt it is always a hole, never text; in what a model learns from it is text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.errors import InputError

HOLE = re.compile(r"<mask(?::([0-9]+))?>")
SHOWN = b"_"  # stands for a token that is still hidden


def read_prompt(tokenizer: Tokenizer, prompt: str, longest: int) -> list[int]:
    """The tokens of a prompt; one that is a hole has the number after the vocabulary's last.

    Raises InputError for what cannot be spelled, a hole of no tokens, and a prompt with holes that
    is longer than `longest` tokens.
    """
    tokens: list[int] = []
    end = 0
    for hole in HOLE.finditer(prompt):
        tokens += tokenizer.encode(prompt[end : hole.start()]).tolist()
        number = int(hole[1] or 1)
        if number < 1:
            raise InputError(f"{hole[0]} is a hole of no tokens; allowed is <mask:1> or more")
        # a hole that no window can hold is counted, not made
        tokens += [tokenizer.vocabulary] * min(number, longest + 1)
        end = hole.end()
    tokens += tokenizer.encode(prompt[end:]).tolist()
    if end and len(tokens) > longest:
        raise InputError(
            f"A prompt with holes is more than {longest:,} tokens long with them, which is all "
            "that this run reads at once. Shorten it: what stands near the holes matters most"
        )
    return tokens


def show(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """The text of tokens, `_` for each that is still a hole."""
    mask = tokenizer.vocabulary
    pieces = (SHOWN if token == mask else tokenizer.piece(token) for token in tokens)
    return b"".join(pieces).decode("utf-8", "replace")
