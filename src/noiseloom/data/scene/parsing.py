"""What a caption asks for: the inverse of `captions`, and of what people type in its words.

caption = [opening] clause {("," | "and") clause};  clause = group [place] | group relation group;
group = (article | number) [size] [colour] shape, with size and colour in either order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from noiseloom.data.scene.captions import (
    NUMBERS,
    OPENINGS,
    PLACE_WORDS,
    RELATION_WORDS,
    plural,
)
from noiseloom.data.scene.colours import COLOURS
from noiseloom.data.scene.places import PLACES
from noiseloom.data.scene.shapes import SHAPES
from noiseloom.data.scene.world import SIZES
from noiseloom.menu import nearest

Words = tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """An object that a caption asks for; None is what it leaves open."""

    shape: str
    colour: str | None
    size: str | None
    place: str | None


@dataclass(frozen=True)
class Asked:
    """All objects that a caption asks for, and of some how one (first) stands to another (last)."""

    things: tuple[Wanted, ...]
    relations: tuple[tuple[int, str, int], ...] = ()


def _table(spelt: Mapping[str, str | int]) -> dict[Words, str | int]:
    """Meanings by the words they are spelt with, the longest spelling first."""
    split = {tuple(words.split()): meaning for words, meaning in spelt.items()}
    return dict(sorted(split.items(), key=lambda entry: -len(entry[0])))


OPENING = _table({words.strip(): words for words in OPENINGS if words} | {"there are": "there are"})
COUNT = _table({"a": 1, "an": 1} | {word: count + 1 for count, word in enumerate(NUMBERS)})
SHAPE = _table({shape: shape for shape in SHAPES} | {plural(shape): shape for shape in SHAPES})
COLOUR = _table({colour: colour for colour in COLOURS})
SIZE = _table({size: size for size in SIZES})
PLACE = _table({words.format(place): place for words in PLACE_WORDS for place in PLACES})
RELATION = _table({spelt: word for word, words in RELATION_WORDS.items() for spelt in words})
BETWEEN = _table({",": ",", "and": "and"})
EVERY = {
    word
    for table in (OPENING, COUNT, SHAPE, COLOUR, SIZE, PLACE, RELATION, BETWEEN)
    for spelt in table
    for word in spelt
}


def parse_caption(caption: str) -> Asked:
    """What `caption` asks for. Raises ValueError, with the words, where it cannot be read."""
    words = re.findall(r"[^\W_]+|,", caption.lower())
    if unknown := [word for word in words if word not in EVERY]:
        close = nearest(unknown[0], EVERY)
        raise ValueError(
            f"'{unknown[0]}' in '{caption}' is no word that scenes are described with. "
            + (f"Did you mean '{close}'? " if close else "")
            + f"Allowed: {', '.join(sorted(EVERY - {','}))}"
        )
    return _Reader(caption, words).read()


class _Reader:
    """Takes the words of one caption from the left."""

    def __init__(self, caption: str, words: list[str]) -> None:
        self.caption, self.words, self.at = caption, words, 0
        self.things: list[Wanted] = []
        self.relations: list[tuple[int, str, int]] = []

    def read(self) -> Asked:
        self.take(OPENING)
        self.clause()
        while self.at < len(self.words):
            if self.take(BETWEEN) is None:
                raise self.error("',' or 'and'")
            self.take(BETWEEN)  # ", and"
            self.clause()
        return Asked(tuple(self.things), tuple(self.relations))

    def clause(self) -> None:
        first, count = len(self.things), self.group()
        if (relation := self.take(RELATION)) is not None:
            others = self.group()
            self.relations += [
                (one, str(relation), first + count + other)
                for one in range(first, first + count)
                for other in range(others)
            ]

    def group(self) -> int:
        """Adds the objects of a group, and answers how many they are."""
        count = self.take(COUNT)
        if count is None:
            raise self.error("'a', 'an' or a number up to 'six'")
        size, colour = self.take(SIZE), self.take(COLOUR)
        if size is None:
            size = self.take(SIZE)
        shape = self.take(SHAPE)
        if shape is None:
            raise self.error(f"a shape ({', '.join(SHAPES)})")
        place = self.take(PLACE)
        wanted = Wanted(str(shape), _word(colour), _word(size), _word(place))
        self.things += [wanted] * int(count)
        return int(count)

    def take(self, table: Mapping[Words, str | int]) -> str | int | None:
        """The meaning of the words that come next, where they are in the table."""
        for words, meaning in table.items():
            if tuple(self.words[self.at : self.at + len(words)]) == words:
                self.at += len(words)
                return meaning
        return None

    def error(self, expected: str) -> ValueError:
        rest = " ".join(self.words[self.at :]) or "its end"
        return ValueError(
            f"'{self.caption}' cannot be read from '{rest}' on: {expected} goes there"
        )


def _word(meaning: str | int | None) -> str | None:
    return None if meaning is None else str(meaning)
