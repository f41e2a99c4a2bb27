"""What is learned of the places of tokens on grids of several sizes.

A place has what is learned of its row and of its column, which add up. Each height of a grid has
rows of its own, and each width columns, so that the last row is the last on every grid.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class Places(nn.Module):
    """Places on `grids`, each (rows, columns), of `width` numbers; they start small and random."""

    def __init__(self, grids: Sequence[Sequence[int]], width: int) -> None:
        super().__init__()
        rows, columns = zip(*grids, strict=True)
        self.row_parts, self.column_parts = _parts(rows), _parts(columns)
        self.rows = nn.Parameter(0.1 * torch.randn(sum(set(rows)), width))
        self.columns = nn.Parameter(0.1 * torch.randn(sum(set(columns)), width))

    def forward(self, rows: int, columns: int) -> Tensor:
        """Of a grid of so many rows and columns, (1, rows x columns, width), row by row."""
        own = self.rows[self.row_parts[rows], None] + self.columns[None, self.column_parts[columns]]
        return own.flatten(0, 1)[None]


def _parts(lengths: Iterable[int]) -> dict[int, slice]:
    """Where each length has its part, one after the other."""
    parts, start = {}, 0
    for length in sorted(set(lengths)):
        parts[length] = slice(start, start + length)
        start += length
    return parts
