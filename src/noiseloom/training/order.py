"""Which items a step trains on: every epoch a new order, computed from the seed, never stored.

Items that are filled up to the longest of their batch come with those of like length: of every
`POOL` batches of an epoch the items are sorted by length, and then the batches of the epoch are
shuffled. Batches that reach over the end of an epoch stay as they fall.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from noiseloom.seeds import generator

POOL = 50  # batches whose items are sorted together
KEPT = 2  # epochs whose order is in memory: a batch may reach from one into the next


@dataclass(frozen=True, eq=False)
class Order:
    """The items of each step, a function of what is given here and of the step alone.

    `lengths` (items,) are those of items that are filled up, None where all are of one length.
    `purpose` names its random numbers.
    """

    seed: int
    batch_size: int
    num_items: int
    lengths: np.ndarray | None = None
    purpose: str = "order"
    known: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def batch(self, step: int) -> np.ndarray:
        """The items of the global batch of `step`, (batch_size,), crossing epochs without a gap."""
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, places = np.divmod(positions, self.num_items)
        parts = [self.epoch(int(one))[places[epochs == one]] for one in np.unique(epochs)]
        return np.concatenate(parts)

    def epoch(self, number: int) -> np.ndarray:
        """A permutation of the items."""
        if number not in self.known:
            while len(self.known) >= KEPT:
                self.known.pop(next(iter(self.known)))
            self.known[number] = self._grouped(number, self._shuffled(self.purpose, number))
        return self.known[number]

    def _shuffled(self, purpose: str, epoch: int, number: int | None = None) -> np.ndarray:
        number = self.num_items if number is None else number
        return torch.randperm(number, generator=generator(self.seed, purpose, epoch)).numpy()

    def _grouped(self, epoch: int, order: np.ndarray) -> np.ndarray:
        """The order with items of like length in each batch that lies wholly in this epoch."""
        if self.lengths is None:
            return order
        first = -epoch * self.num_items % self.batch_size  # places of a batch begun before
        batches = max(0, self.num_items - first) // self.batch_size
        end = first + batches * self.batch_size
        whole = order[first:end]
        pools = np.array_split(
            whole, range(POOL * self.batch_size, len(whole), POOL * self.batch_size)
        )
        sorted_pools = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        grouped = np.concatenate(sorted_pools).reshape(batches, self.batch_size)
        shuffled = grouped[self._shuffled("order of batches", epoch, batches)]
        return np.concatenate([order[:first], shuffled.ravel(), order[end:]])
