"""Occlusion: how far an answer falls when a part of the input is hidden (arXiv:1311.2901).

Each part is replaced by what stands for nothing, alone (Zeiler & Fergus 2013, section 4.2). It asks
the model itself and knows no gradient, so that it checks what gradients say; two parts that say the
same hide each other's loss.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

ROWS = 64  # inputs that are answered at once


def occlude(
    score: Callable[[Tensor], Tensor], given: Tensor, baseline: Tensor, part_of: Tensor, parts: int
) -> np.ndarray:
    """What the score of `given` (1, …) falls by when each of its `parts` is hidden, (parts,).

    `part_of` (1, …), of `given`'s shape or one that broadcasts to it, numbers what belongs to each
    part from 0; what is of none is -1.
    """
    with torch.no_grad():
        whole = score(given).double()
        falls = []
        for first in range(0, parts, ROWS):
            hidden = torch.arange(first, min(first + ROWS, parts), device=given.device)
            is_hidden = part_of == hidden.view(-1, *[1] * (given.ndim - 1))
            falls.append(whole - score(torch.where(is_hidden, baseline, given)).double())
    return torch.cat(falls).cpu().numpy()


def sum_parts(values: Tensor, part_of: Tensor, parts: int) -> np.ndarray:
    """The sum of `values` over each part, (parts,) float64; arguments as in `occlude`."""
    numbers = part_of.expand_as(values).flatten()
    added = torch.zeros(parts + 1, dtype=torch.float64, device=values.device)
    added.index_add_(0, numbers + 1, values.flatten().double())
    return added[1:].cpu().numpy()
