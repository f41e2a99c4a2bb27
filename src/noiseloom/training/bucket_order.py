"""Which items a step trains on where a batch must be of one bucket: never mixed, all alike often.

Each bucket has an order of its own that goes on from one of its epochs into the next. Which bucket
is next is settled for a round of steps at a time: every bucket has had its share of all batches by
the end of each round, to less than one batch, and within the round its batches lie evenly, each
drawn from a stretch of its own. So a step follows from the seed and its number alone, and an item
of a small bucket is seen as often as one of a large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from noiseloom.seeds import generator
from noiseloom.training.order import KEPT, Order


@dataclass(frozen=True, eq=False)
class BucketOrder:
    """The items of each step, all of one bucket; `buckets` are the places of each one's items."""

    seed: int
    batch_size: int
    buckets: Sequence[slice]
    known: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def batch(self, step: int) -> np.ndarray:
        """The items of the global batch of `step`, (batch_size,)."""
        number, place = divmod(step, self.steps)
        buckets = self.round(number)
        bucket = int(buckets[place])
        before = self._batches(number)[bucket] + int((buckets[:place] == bucket).sum())
        return self.buckets[bucket].start + self._orders[bucket].batch(int(before))

    def round(self, number: int) -> np.ndarray:
        """The bucket of each step of a round."""
        if number not in self.known:
            while len(self.known) >= KEPT:
                self.known.pop(next(iter(self.known)))
            counts = self._batches(number + 1) - self._batches(number)
            random = generator(self.seed, "order of buckets", number)
            moments = [
                (np.arange(count) + torch.rand(int(count), generator=random).numpy()) / count
                for count in counts
            ]
            buckets = np.repeat(np.arange(len(counts)), counts)
            self.known[number] = buckets[np.argsort(np.concatenate(moments), kind="stable")]
        return self.known[number]

    @cached_property
    def steps(self) -> int:
        """Steps of a round: about an epoch, and enough for two batches of the rarest bucket."""
        total, rarest = int(self._ends[-1]), min(map(_number, self.buckets))
        return max(-(-total // self.batch_size), -(-2 * total // rarest))

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(list(map(_number, self.buckets)))

    @cached_property
    def _orders(self) -> list[Order]:
        return [
            Order(self.seed, self.batch_size, _number(one), purpose=f"order of bucket {place}")
            for place, one in enumerate(self.buckets)
        ]

    def _batches(self, rounds: int) -> np.ndarray:
        """How many batches of each bucket so many rounds hold: its share, to less than one."""
        steps, total = rounds * self.steps, int(self._ends[-1])
        ends = [(2 * steps * int(end) + total) // (2 * total) for end in self._ends]  # rounded
        return np.diff(ends, prepend=0)


def _number(bucket: slice) -> int:
    return int(bucket.stop) - int(bucket.start)
