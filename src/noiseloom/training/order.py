"""Which items a step trains on: every epoch a new order, computed from the seed, never stored."""

from functools import lru_cache

import numpy as np
import torch

from noiseloom.seeds import generator


def batch_indices(seed: int, step: int, batch_size: int, num_items: int) -> np.ndarray:
    """The items of the global batch of `step`, (batch_size,), crossing epochs without a gap."""
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs, places = np.divmod(positions, num_items)
    parts = [epoch_order(seed, int(e), num_items)[places[epochs == e]] for e in np.unique(epochs)]
    return np.concatenate(parts)


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, num_items: int) -> np.ndarray:
    """A permutation of the items."""
    return torch.randperm(num_items, generator=generator(seed, "order", epoch)).numpy()
