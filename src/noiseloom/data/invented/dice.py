"""Choices that follow from a seed, the same on every machine and in every version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws made of `Random.random` alone, the one method that Python promises not to change."""

    def __init__(self, seed: int | str) -> None:
        self._draw = random.Random(str(seed)).random

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._draw() < probability

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both among them."""
        return low + int(self._draw() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[int(self._draw() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """So many different ones of them, in the order drawn; all where there are not so many."""
        left = list(items)
        return [left.pop(int(self._draw() * len(left))) for _ in range(min(count, len(left)))]
