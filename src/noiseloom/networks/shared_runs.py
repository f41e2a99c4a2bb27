"""What two texts have in common: the runs of tokens that stand in both, weighed.

A run is `size` tokens in a row. It counts by a weight of its own, which is learned: a run that any
two texts share says little. The share of a text's runs that the other holds, by weight, is what
TF-IDF overlap is with weights that are counted. With runs of characters it reads word forms, names
and numbers that no embedding learned from a few thousand texts knows.
Shapes: B batch, L tokens of a text, R runs of a text, S sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from noiseloom.seeds import Random

EACH = 4  # features of each size
PACE = 10.0  # a table's numbers are a PACE-th of log-weights: they move as fast as the rest must
PRIME, MIX = 2**31 - 1, 1_000_003
LEAST = 1e-6


class SharedRuns(nn.Module):
    """Features (B, EACH x S + 1) of pairs of texts; runs that share a row by hash share a weight.

    Of each size: the smaller and the larger of the two shares, their product and its root; then
    how the lengths differ. At first all runs weigh the same. `dropout` is the share of runs that
    training leaves out of the count.
    """

    def __init__(self, sizes: Sequence[int], rows: int, dropout: float) -> None:
        super().__init__()
        self.sizes, self.rows, self.dropout = tuple(sizes), rows, dropout
        self.table = nn.Embedding(len(self.sizes) * rows, 1)
        nn.init.zeros_(self.table.weight)

    @property
    def features(self) -> int:
        """How many features there are."""
        return EACH * len(self.sizes) + 1

    def forward(
        self, tokens_B2L: Tensor, is_real_B2L: Tensor, *, random: Random | None = None
    ) -> Tensor:
        """The features of pairs of texts; with `random`, drop-out is on."""
        found = []
        for place, size in enumerate(self.sizes):
            shares = self._shares(tokens_B2L, is_real_B2L, place, size, random)
            least, most = shares.amin(dim=1), shares.amax(dim=1)
            both = least * most
            found += [least, most, both, (both + LEAST).sqrt()]
        lengths = is_real_B2L.sum(dim=2).float()
        found.append((lengths[:, 0] - lengths[:, 1]).abs() / lengths.sum(dim=1))
        return torch.stack(found, dim=1)

    def _shares(
        self,
        tokens_B2L: Tensor,
        is_real_B2L: Tensor,
        place: int,
        size: int,
        random: Random | None,
    ) -> Tensor:
        """Of either text, the share of its runs, by weight, that the other holds, (B, 2)."""
        if tokens_B2L.shape[2] < size:
            return torch.zeros(tokens_B2L.shape[:2], device=tokens_B2L.device)
        runs, is_run = runs_of(tokens_B2L, is_real_B2L, size)
        first, second = runs.unbind(dim=1)
        is_same = first[:, :, None] == second[:, None, :]
        is_same = is_same & is_run[:, 0, :, None] & is_run[:, 1, None, :]
        is_shared = torch.stack([is_same.any(dim=2), is_same.any(dim=1)], dim=1)
        rows = runs * MIX % PRIME % self.rows + place * self.rows
        weights = (PACE * self.table(rows).squeeze(-1)).float().exp() * is_run
        if random is not None and self.dropout:
            kept = random.chance(f"runs{size}", 1 - self.dropout, weights.shape[1:])
            weights = weights * kept.to(weights.device)
        return (weights * is_shared).sum(dim=2) / weights.sum(dim=2).clamp(min=LEAST)


def runs_of(tokens: Tensor, is_real: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """A number for each run of `size` of L tokens or more, (…, R), and whether all are real.

    Two runs have one number where they are the same, and by chance once in 2^31.
    """
    number = torch.zeros_like(tokens[..., size - 1 :])
    for token in tokens.unfold(-1, size, 1).unbind(dim=-1):
        number = (number * MIX + token + 1) % PRIME
    return number, is_real.unfold(-1, size, 1).all(dim=-1)
