"""What the labels of a table are, classes or numbers, and as what they are kept.

They are numbers where each is one and some are not whole, or more than `MOST_CLASSES` differ; else
each different label is a class. Classes are in the order of their numbers, or of their spelling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

Labels = Literal["auto", "classes", "numbers"]
MOST_CLASSES = 20  # different whole numbers that still are classes


def number_of(label: str) -> float | None:
    """The finite number that a label is; None where it is none."""
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def are_numbers(labels: Iterable[str], wanted: Labels) -> bool:
    """Whether labels are kept as numbers; `auto` goes by the rule above."""
    if wanted != "auto":
        return wanted == "numbers"
    different = set(labels)
    numbers = [number_of(one) for one in different]
    if None in numbers:
        return False
    whole = all(one is not None and one == int(one) for one in numbers)
    return not whole or len(different) > MOST_CLASSES


def class_names_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The different labels in their order."""
    different = set(labels)
    numbers = {one: number_of(one) for one in different}
    if all(number is not None for number in numbers.values()):
        return tuple(sorted(different, key=lambda one: (numbers[one], one)))
    return tuple(sorted(different))


def numbered(labels: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """The number of each label's class, int64; all must be among `class_names`."""
    number = {name: place for place, name in enumerate(class_names)}
    return np.array([number[one] for one in labels], np.int64)
