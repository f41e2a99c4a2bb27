"""What a scene's captions say: several ways to put the same picture into words, all of them true.

A caption lists what is there, the same looks in the same place together, and says where: by place
(each group's), by relation (of two objects, the others by place), or not at all where it counts
objects that look the same. The words are in the tables; `parsing` reads them by the same tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from noiseloom.data.scene.places import PLACES, is_clear, place_of, relation_of
from noiseloom.data.scene.world import Thing, World

OPENINGS = ("", "a picture of ", "there is ")  # "there are" before a number
PLACE_WORDS = ("in the {}", "at the {}", "{}")
RELATION_WORDS = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
NUMBERS = ("one", "two", "three", "four", "five", "six")
BY_RELATION, BY_COUNT = 0.5, 0.5  # how often, where there is a relation, or a number, to be said


def write_caption(things: Sequence[Thing], random: np.random.Generator, world: World) -> str:
    """One caption of a scene at random; sizes are said where `world` has several."""
    sizes = len(world.sizes) > 1
    order = [things[index] for index in random.permutation(len(things))]
    one, two = order[0], order[min(1, len(order) - 1)]
    looks = Counter(_look(thing) for thing in order)
    related = len(order) > 1 and is_clear(one.x - two.x, one.y - two.y)
    if related and random.random() < BY_RELATION:
        clauses = [_related(one, two, random, sizes=sizes), *_placed(order[2:], random, sizes)]
    elif max(looks.values()) > 1 and len(order) > 2 and random.random() < BY_COUNT:
        clauses = [group_words(*look, count, sizes=sizes) for look, count in looks.items()]
    else:
        clauses = _placed(order, random, sizes)
    opening = OPENINGS[random.integers(len(OPENINGS))]
    if opening == "there is " and clauses[0].split()[0] in NUMBERS:
        opening = "there are "
    return opening + ", ".join(clauses[:-1]) + " and " * (len(clauses) > 1) + clauses[-1]


def longest_caption(world: World, objects: int) -> int:
    """The words and commas of the longest caption of so many objects: each of them is a token."""
    clause = len(PLACE_WORDS[0].format(PLACES[0]).split()) + 3 + (len(world.sizes) > 1)
    return max(len(opening.split()) for opening in OPENINGS) + (clause + 1) * objects - 1


def group_words(shape: str, colour: str, size: str, count: int, *, sizes: bool) -> str:
    """`a small red circle`, `two orange crosses`."""
    words = f"{size} {colour} {shape}" if sizes else f"{colour} {shape}"
    if count == 1:
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    return f"{NUMBERS[count - 1]} {plural(words)}"


def plural(words: str) -> str:
    """Of words that end in a shape."""
    return f"{words}es" if words.endswith("s") else f"{words}s"


def _look(thing: Thing) -> tuple[str, str, str]:
    assert thing.shape and thing.colour and thing.size  # only what is read may be unknown
    return thing.shape, thing.colour, thing.size


def _related(one: Thing, two: Thing, random: np.random.Generator, *, sizes: bool) -> str:
    relation = relation_of(one.x - two.x, one.y - two.y)
    words = RELATION_WORDS[relation]
    return " ".join(
        (
            group_words(*_look(one), 1, sizes=sizes),
            words[random.integers(len(words))],
            group_words(*_look(two), 1, sizes=sizes),
        )
    )


def _placed(things: Sequence[Thing], random: np.random.Generator, sizes: bool) -> list[str]:
    """A clause for each group of the same looks in the same place."""
    groups = Counter((_look(thing), place_of(thing.x, thing.y)) for thing in things)
    place_words = PLACE_WORDS[random.integers(len(PLACE_WORDS))]
    return [
        f"{group_words(*look, count, sizes=sizes)} {place_words.format(place)}"
        for (look, place), count in groups.items()
    ]
