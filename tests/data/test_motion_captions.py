"""Captions of moving digits: what is written is read back, and nothing else is."""

import itertools

import numpy as np
import pytest

from noiseloom.data.motion_captions import (
    DIRECTIONS,
    PHRASES,
    Said,
    captions_of,
    direction_of,
    is_fast,
    read,
    write,
)
from noiseloom.errors import InputError


def test_every_caption_is_read_back() -> None:
    facts = itertools.product(range(10), range(8), (False, True), (False, True))
    written = {}
    for digit, direction, fast, bounces in facts:
        said = Said(digit, direction, fast, bounces)
        for phrase in range(len(PHRASES)):
            caption = write(said, phrase)
            assert read(caption) == said
            assert written.setdefault(caption, said) == said
    assert len(written) == 320 * len(PHRASES)


def test_in_words() -> None:
    assert write(Said(7, 5, True, True)) == "a seven moving up and left fast, then bouncing"
    assert write(Said(0, 2, False, False), 1) == "the digit zero goes down slowly"
    assert read(" A Seven moving up and left fast, then bouncing") == Said(7, 5, True, True)


@pytest.mark.parametrize(
    "caption",
    ["", "a seven", "a seven moving up", "a seven moving up and down fast", "a cat moving up fast"],
)
def test_anything_else_is_refused_with_an_example(caption: str) -> None:
    with pytest.raises(InputError, match="a seven moving up and left fast"):
        read(caption)


def test_directions_are_those_of_the_velocity_with_y_downwards() -> None:
    ways = {
        "right": (1, 0),
        "down": (0, 1),
        "left": (-1, 0),
        "up": (0, -1),
        "up and left": (-1, -1),
    }
    found = direction_of(np.array(list(ways.values()), float))
    assert [DIRECTIONS[one] for one in found] == list(ways)
    near = np.radians([22, 23, -22, -23])
    found = direction_of(np.stack([np.cos(near), np.sin(near)], axis=1))
    assert found.tolist() == [0, 1, 0, 7]


def test_captions_say_what_the_motion_is() -> None:
    velocity = np.array([[1.0, 0.0], [-2.0, -2.0]])
    assert is_fast(np.linalg.norm(velocity, axis=1)).tolist() == [False, True]
    captions = captions_of([3, 8], velocity, np.array([0, 2]))
    assert [read(row[0]) for row in captions] == [Said(3, 0, False, False), Said(8, 5, True, True)]
    assert all(len({read(one) for one in row}) == 1 for row in captions)
