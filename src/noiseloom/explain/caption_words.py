"""The words of a caption, and which of its tokens spell each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noiseloom.data.caption_tokens import WORD, Captions
from noiseloom.errors import InputError
from noiseloom.menu import nearest


@dataclass(frozen=True)
class CaptionWord:
    """A word as it stands in a caption, and the places of the tokens that spell it."""

    text: str
    places: tuple[int, ...]


def words_in(captions: Captions, tokens_L: np.ndarray) -> list[CaptionWord]:
    """The words of one caption in their order; a token that lies in two words is of both."""
    real = [int(token) for token in tokens_L if token != captions.padding]
    pieces = [captions.tokenizer.piece(token) for token in real]
    ends = np.cumsum([len(piece) for piece in pieces])
    starts = ends - [len(piece) for piece in pieces]
    caption = b"".join(pieces).decode("utf-8", "replace")
    found = []
    for match in WORD.finditer(caption):
        first, after = (len(caption[:at].encode()) for at in match.span())
        places = np.flatnonzero((starts < after) & (ends > first))
        found.append(CaptionWord(match.group(), tuple(places.tolist())))
    return found


def chosen_words(words: list[CaptionWord], asked: str | None) -> list[CaptionWord]:
    """All words or, of a caption's, those that are `asked` for, split by commas.

    A word that stands there several times is taken each time. Raises InputError, with the words
    that there are, for one that does not stand there.
    """
    if asked is None:
        return words
    there = list(dict.fromkeys(word.text for word in words))
    wanted = [one.strip().lower() for one in asked.split(",") if one.strip()]
    if not wanted:
        raise InputError(f"word is '{asked}'; name one of {', '.join(there)}, or several")
    for one in wanted:
        if one not in there:
            guess = nearest(one, there)
            raise InputError(
                f"'{one}' is no word of the prompt, whose words are {', '.join(there)}."
                + (f" Did you mean '{guess}'?" if guess else "")
            )
    return [word for word in words if word.text in wanted]
