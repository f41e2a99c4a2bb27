"""Keys and values of tokens that were read already, so that a model reads each token once.

Shapes: B batch, L new tokens, K kept tokens, H heads of keys, D numbers per head.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LayerCache:
    """Keys and values of one attention; with a `window` only so many of the newest are kept.

    They lie in one buffer that is written on at its end, so that a new token copies nothing old.
    One with a window is twice as long as that: when it is full, the newest move to its beginning.
    A window of the capacity or more hides nothing.
    """

    def __init__(self, capacity: int, window: int | None = None) -> None:
        self.window = None if window is None or window >= capacity else window
        self.size = capacity if self.window is None else min(capacity, 2 * self.window)
        self.buffer: Tensor | None = None  # (2, B, H, size, D)
        self.start = self.end = 0

    def extend(self, k_BHLD: Tensor, v_BHLD: Tensor) -> tuple[Tensor, Tensor]:
        """Keep these, too; all that are kept, the oldest first, as (B, H, K, D) views.

        Where the new ones are several, K counts the window before the first of them, so that each
        may see its own; ValueError where there is no room.
        """
        new = k_BHLD.shape[2]
        if self.window is not None and new > self.size - (self.end - self.start):
            return self._extend_past(k_BHLD, v_BHLD)
        buffer = self._buffer(k_BHLD)
        first, end = self.make_room(new)
        buffer[0, :, :, end - new : end] = k_BHLD
        buffer[1, :, :, end - new : end] = v_BHLD
        seen = buffer[:, :, :, first:end]
        return seen[0], seen[1]

    def make_room(self, new: int = 1) -> tuple[int, int]:
        """Places for `new` tokens more: those seen are from the first to before the second number.

        The new ones are the last of them; whoever asks writes them there.
        """
        if self.end + new > self.size:
            self._move(new)
        first, self.end = self.start, self.end + new
        if self.window is not None:  # what the next token no longer sees
            self.start = max(first, self.end - self.window + 1)
        return first, self.end

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, (new B,): beams branch and die."""
        if self.buffer is not None:
            self.buffer = self.buffer.index_select(1, rows)

    def _extend_past(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """More new ones than the buffer holds: those before and these, joined for once."""
        assert self.window is not None
        buffer = self._buffer(k)
        before = buffer[:, :, :, self.start : self.end]
        both = torch.cat([before, torch.stack([k, v])], dim=3)
        kept = both[:, :, :, both.shape[3] - (self.window - 1) :]
        self.start, self.end = 0, kept.shape[3]
        buffer[:, :, :, : self.end] = kept
        return both[0], both[1]

    def _move(self, new: int) -> None:
        """Bring what is still seen to the beginning of the buffer."""
        kept = self.end - self.start
        if self.window is None or kept + new > self.size:
            raise ValueError(
                f"the cache holds {self.size} tokens and was given {self.end + new}; make it with "
                "a larger capacity"
            )
        assert self.buffer is not None
        self.buffer[:, :, :, :kept] = self.buffer[:, :, :, self.start : self.end].clone()
        self.start, self.end = 0, kept

    def _buffer(self, like: Tensor) -> Tensor:
        if self.buffer is None:
            batch, heads, _, size = like.shape
            self.buffer = like.new_zeros(2, batch, heads, self.size, size)
        return self.buffer


class Cache:
    """A model's memory of the tokens read so far: a `LayerCache` for each block.

    `length` counts them. `recent` holds the last few tokens themselves, (B, n), for whoever looks
    back at them.
    """

    def __init__(self, depth: int, *, capacity: int, window: int | None = None) -> None:
        self.layers = [LayerCache(capacity, window) for _ in range(depth)]
        self.capacity = capacity
        self.length = 0
        self.recent: Tensor | None = None

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, (new B,)."""
        for layer in self.layers:
            layer.select(rows)
        if self.recent is not None:
            self.recent = self.recent.index_select(0, rows)
