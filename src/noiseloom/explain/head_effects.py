"""What a run loses when attention heads are switched off, one at a time: the causal table.

What is measured is figures of items, the same ones every time with the same noise, so that a change
is that of each item against itself and its standard error is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from noiseloom.explain.interventions import Heads, Instead, switched_off

Measured = Mapping[str, np.ndarray]
"""Figures by name, of each item (N,); NaN where an item has none."""


@dataclass(frozen=True)
class Effect:
    """What switching off does to one figure: the mean change, its standard error, and of how many.

    `before` is the mean with all heads on.
    """

    before: float
    change: float
    error: float
    num: int

    @property
    def is_clear(self) -> bool:
        """Whether the change is more than two of its standard errors."""
        return abs(self.change) > 2 * self.error


def effect(before: np.ndarray, after: np.ndarray) -> Effect:
    """Of figures of the same items (N,); NaN counts for nothing."""
    known = ~(np.isnan(before) | np.isnan(after))
    change = (after - before)[known]
    count = len(change)
    spread = float(change.std(ddof=1)) if count > 1 else 0.0
    return Effect(
        float(before[known].mean()), float(change.mean()), spread / max(1, count) ** 0.5, count
    )


@torch.no_grad()
def head_effects(
    layers: Sequence[Heads],
    measure: Callable[[], Measured],
    instead: Instead = "nothing",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, list[list[Effect]]]:
    """For each figure what each head's silence does, layer by layer; the last is that of all heads.

    `progress(done, total)` counts measurements.
    """
    before = measure()
    total = 1 + sum(layer.count + 1 for layer in layers)
    found: dict[str, list[list[Effect]]] = {name: [[] for _ in layers] for name in before}
    done = 1
    progress(done, total)
    for number, layer in enumerate(layers):
        silent = [*([head] for head in range(layer.count)), list(range(layer.count))]
        for heads in silent:
            with switched_off(layer.attention, heads, instead):
                after = measure()
            for name, values in before.items():
                found[name][number].append(effect(values, after[name]))
            done += 1
            progress(done, total)
    return found
