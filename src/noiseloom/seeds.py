"""Stateless random numbers: (seed, purpose, step, item) names a stream, so nothing needs replaying.

A counter-based generator (Philox-4x64, Salmon et al. 2011, "Parallel random numbers: as easy as
1, 2, 3") is keyed by a hash of (seed, purpose, step); item `i` of the batch owns a fixed range of
its counter. The numbers of an item are therefore the same whatever batch, rank or accumulation
split it is drawn in. `torch.Generator` alone cannot do this: its Mersenne Twister keeps 32 bits of
the seed, so a long run would meet the same noise again.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

WORDS_PER_COUNT = 4  # Philox yields four 64-bit words for each value of its counter
WORDS_AT_ONCE = 1 << 17  # drawn by one thread, if there are more
ALL_ONES = 2**64 - 1


def key(seed: int, purpose: str, step: int = 0) -> int:
    """The 128-bit key of one stream."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little")


def generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """A torch generator for what is drawn once (weights, the order of an epoch), on the CPU."""
    return torch.Generator().manual_seed(key(seed, purpose, step) % 2**63)


@contextmanager
def fixed(seed: int, purpose: str) -> Iterator[None]:
    """Within it torch's global generators are seeded; afterwards they are as they were before."""
    with torch.random.fork_rng():
        torch.manual_seed(key(seed, purpose) % 2**63)
        yield


@dataclass(frozen=True)
class Random:
    """The random numbers of a batch: one independent stream for each item and purpose.

    `items` are the items' numbers in the global batch (training) or the numbers of the pictures
    (sampling), `total` the size of the global batch. Asking twice for the same purpose and step
    gives the same numbers.
    """

    seed: int
    items: Sequence[int]
    step: int = 0
    total: int = 1
    scope: str = ""

    def under(self, scope: str) -> "Random":
        """The same items with purposes of their own, so that parts of a network do not share."""
        return replace(self, scope=f"{self.scope}{scope}/")

    def split(self, parts: int) -> "Random":
        """The same items as so many parts each, with numbers of their own, item after item."""
        if isinstance(self.items, range) and self.items.step == 1:
            items: Sequence[int] = range(self.items.start * parts, self.items.stop * parts)
        else:
            items = [item * parts + part for item in self.items for part in range(parts)]
        return replace(self, items=items, total=self.total * parts)

    def at(self, step: int) -> "Random":
        """The same items at another step (of training, or of a sampler)."""
        return replace(self, step=step)

    def uniform(
        self, purpose: str, shape: Sequence[int] = (), device: torch.device | str = "cpu"
    ) -> Tensor:
        """Uniform numbers in [0, 1) with 24 bits, shape (items, *shape), float32 on `device`."""
        size = int(np.prod(shape, dtype=np.int64))
        words = self._words(purpose, -(-size // 2))
        halves = torch.from_numpy(words.view(np.int32)[:, :size]).to(device)
        numbers = ((halves >> 8) & 0xFFFFFF).float() * 2.0**-24  # >> keeps the sign, & takes it off
        return numbers.reshape(len(self.items), *shape)

    def stratified(self, purpose: str) -> Tensor:
        """Uniform numbers inside (0, 1), one in each `total`-th part: (items,), float64, CPU."""
        places = torch.tensor([item % self.total for item in self.items], dtype=torch.float64)
        return (places + self.uniform(purpose).double() + 2.0**-25) / self.total

    def normal(
        self, purpose: str, shape: Sequence[int] = (), device: torch.device | str = "cpu"
    ) -> Tensor:
        """Standard normal numbers (Box-Muller, so at most 5.8 in size), (items, *shape), float32.

        They are computed on `device`, so that a GPU does not wait; its last bits are its own.
        """
        size = int(np.prod(shape, dtype=np.int64))
        pairs = -(-size // 2)
        uniform = self.uniform(purpose, (2, pairs), device)
        radius = torch.sqrt(-2.0 * torch.log1p(-uniform[:, 0]))
        angle = 2.0 * torch.pi * uniform[:, 1]
        numbers = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
        return numbers[:, :size].reshape(len(self.items), *shape)

    def normal_like(self, purpose: str, x: Tensor) -> Tensor:
        """Standard normal numbers of `x`'s shape, device and dtype; `x` has the items first."""
        return self.normal(purpose, x.shape[1:], x.device).to(x.dtype)

    def chance(self, purpose: str, probability: float, shape: Sequence[int] = ()) -> Tensor:
        """Booleans that are true with `probability`, shape (items, *shape)."""
        return self.uniform(purpose, shape) < probability

    def _words(self, purpose: str, words: int) -> np.ndarray:
        """64-bit words, (items, words): item i reads the counter from i * counts on."""
        counts = -(-words // WORDS_PER_COUNT)
        stream_key = key(self.seed, self.scope + purpose, self.step)
        width = counts * WORDS_PER_COUNT
        drawn = np.empty((len(self.items), width), dtype=np.uint64)
        parts = list(_runs(self.items, longest=max(1, WORDS_AT_ONCE // width)))

        def draw(part: tuple[int, int, int]) -> None:
            row, start, length = part
            philox = np.random.Generator(np.random.Philox(key=stream_key, counter=start * counts))
            raw = philox.integers(0, ALL_ONES, length * width, np.uint64, endpoint=True)
            drawn[row : row + length] = raw.reshape(length, width)

        if len(parts) > 1 and drawn.size > WORDS_AT_ONCE:
            list(_threads().map(draw, parts))
        else:
            for part in parts:
                draw(part)
        return np.ascontiguousarray(drawn[:, :words])


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads for large draws, as many as torch computes with; numpy lets go of the lock there."""
    return ThreadPoolExecutor(torch.get_num_threads(), "noise")


if hasattr(os, "register_at_fork"):  # POSIX: a forked process has no such threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


def _runs(items: Sequence[int], longest: int) -> Iterator[tuple[int, int, int]]:
    """Consecutive numbers as (row, first, how many), `longest` at most, each with one generator."""
    is_range = isinstance(items, range) and items.step == 1
    row = 0
    while row < len(items):
        end = min(len(items), row + longest)
        length = end - row if is_range else 1
        while row + length < end and items[row + length] == items[row] + length:
            length += 1
        yield row, items[row], length
        row += length
