"""What is said of a bouncing digit, and what is meant by it: "a seven moving up and left, fast".

One rule writes captions from the motion and reads them back, so that what a model was asked for is
known exactly. A direction is one of eight, that of the first frames; a speed is slow or fast.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noiseloom.errors import InputError

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIRECTIONS = (  # every 45 degrees from the right on, downwards first, as y grows downwards
    "right",
    "down and right",
    "down",
    "down and left",
    "left",
    "up and left",
    "up",
    "up and right",
)
SPEEDS = {"slowly": (0.8, 1.4), "fast": (2.2, 3.0)}  # pixels a frame
SPREAD = 15.0  # degrees that a digit said to go one way may go beside it

PHRASES = (  # the same said differently; `{then}` is there where a wall is met
    "a {number} moving {direction} {speed}{then}",
    "the digit {number} goes {direction} {speed}{then}",
    "{speed} a {number} moves {direction}{then}",
)
THEN = ", then bouncing"

_READ = re.compile(
    rf"(?P<first>{'|'.join(SPEEDS)})? ?(a|the digit) (?P<number>{'|'.join(NUMBERS)}) "
    rf"(moving|goes|moves) (?P<direction>(up|down)( and (left|right))?|left|right)"
    rf"( (?P<last>{'|'.join(SPEEDS)}))?(?P<then>{THEN})?"
)


@dataclass(frozen=True)
class Said:
    """What a caption says: the digit, the number of its direction, whether it is fast, bounces."""

    digit: int
    direction: int
    is_fast: bool
    bounces: bool


def write(said: Said, phrase: int = 0) -> str:
    """The caption, in the words of the phrase of that number."""
    return PHRASES[phrase].format(
        number=NUMBERS[said.digit],
        direction=DIRECTIONS[said.direction],
        speed=list(SPEEDS)[said.is_fast],
        then=THEN if said.bounces else "",
    )


def read(caption: str) -> Said:
    """What `write` was told; InputError for anything else."""
    found = _READ.fullmatch(caption.strip().lower())
    speed = found and (found["first"] or found["last"])
    if not found or not speed:
        raise InputError(
            f"'{caption}' is no caption of a moving digit; they are like "
            f"'{write(Said(7, 5, True, True))}'"
        )
    return Said(
        NUMBERS.index(found["number"]),
        DIRECTIONS.index(found["direction"]),
        speed == "fast",
        bool(found["then"]),
    )


def direction_of(velocity: np.ndarray) -> np.ndarray:
    """The number of the direction nearest to each velocity (N, 2), (N,)."""
    angle = np.degrees(np.arctan2(velocity[:, 1], velocity[:, 0]))
    return np.rint(angle / 45).astype(int) % len(DIRECTIONS)


def is_fast(speed: np.ndarray) -> np.ndarray:
    """Whether each speed, pixels a frame, is nearer to what is called fast."""
    middle = (SPEEDS["slowly"][1] + SPEEDS["fast"][0]) / 2
    return np.asarray(speed) > middle


def captions_of(
    digits: Sequence[int], velocity: np.ndarray, bounces: np.ndarray
) -> list[list[str]]:
    """Each digit's motion in every phrase."""
    facts = zip(
        digits,
        direction_of(velocity),
        is_fast(np.linalg.norm(velocity, axis=1)),
        bounces > 0,
        strict=True,
    )
    return [
        [write(Said(int(d), int(way), bool(fast), bool(b)), n) for n in range(len(PHRASES))]
        for d, way, fast, b in facts
    ]
