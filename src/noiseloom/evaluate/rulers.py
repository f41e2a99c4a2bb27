"""One figure of samples, again and again: what a search among ways of sampling goes by.

A ruler holds the real side of an evaluation, so that a set of samples costs only its own part. It
may look at one half of the held-out items: who tunes on the one reports on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

Half = Literal["first", "second"]
"""The held-out items of even number, or those of odd number."""


@dataclass(frozen=True)
class Ruler:
    """`of(items)` is the figure called `name` of samples; lower is better.

    `floor` is what real training items score, as many as there are samples to be, on average.
    """

    name: str
    of: Callable[[np.ndarray], float]
    floor: float


def half_of(rows: Tensor, half: Half | None) -> Tensor:
    """The rows (N, …) of that half; all where it is None."""
    return rows if half is None else rows[(0 if half == "first" else 1) :: 2]
