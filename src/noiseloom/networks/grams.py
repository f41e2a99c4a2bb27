"""What the last few tokens together say: tables of n-grams beside a transformer's embedding.

Hash n-grams (Pagnoni et al. 2024, arXiv:2412.09871, eq. 3) of tokens. They cost a look-up where
layers cost products, which on a small machine is most of what a small model costs.
Shapes: B batch, L tokens, N tokens of a longer row, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from noiseloom.seeds import Random

HASH = (1_000_003, 8_191, 131, 17, 7)  # odd factors of a token by how far back it stands


def check_tables(rows: Sequence[int], inner: int, dropout: float) -> None:
    """ValueError where tables of so many `rows` cannot be, or learn."""
    if len(rows) >= len(HASH) or min(rows, default=1) < 1 or inner < 1:
        raise ValueError(
            f"ngrams {list(rows)} of width {inner} are given; allowed are up to {len(HASH) - 1} "
            "tables, of pairs first, with at least 1 row and 1 number each"
        )
    if not 0 <= dropout < 1:
        raise ValueError(f"ngram_dropout is {dropout}; allowed is 0 to below 1")


def tables(
    rows: Sequence[int], inner: int, width: int, vocabulary: int, *, dropout: float
) -> nn.ModuleList:
    """A table of the last 2 tokens together, of the last 3, and so on."""
    return nn.ModuleList(
        Grams(size, number, inner, width, vocabulary, dropout)
        for size, number in enumerate(rows, start=2)
    )


class Grams(nn.Module):
    """What the last `size` tokens together say, from a table found by hash; starts at 0.

    Tuples that share a row share what is said; where the table has room for all of them, each has
    its own. A row holds `inner` numbers, spread over the width. `dropout` is the share of places at
    which training leaves out what it says: shorter tables and the blocks learn to do without, as a
    back-off does (noise as smoothing: Xie et al. 2017, arXiv:1703.02573).
    """

    def __init__(
        self, size: int, rows: int, inner: int, width: int, vocabulary: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.size = size
        self.unknown = vocabulary
        self.base = vocabulary + 1  # with what stands before the first token
        self.is_exact = self.base**size <= rows
        self.table = nn.Embedding(rows, inner)
        nn.init.zeros_(self.table.weight)
        self.spread = nn.Linear(inner, width, bias=False)

    def forward(
        self,
        row_BN: Tensor,
        tokens: int,
        documents: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """Of the last `tokens` of a row that goes back further, (B, tokens, W).

        What stands in another of the `documents` (B, tokens) is as unknown as what stands before
        the first. With `random`, drop-out is on.
        """
        length = row_BN.shape[1]
        index = torch.zeros_like(row_BN[:, :tokens])
        for back in range(self.size):
            part = row_BN[:, length - tokens - back : length - back]
            if documents is not None and back:
                earlier = torch.full_like(documents, -1)
                earlier[:, back:] = documents[:, : tokens - back]
                part = part.masked_fill(earlier != documents, self.unknown)
            factor = self.base**back if self.is_exact else HASH[back]
            index = index + part * factor
        found_BLN: Tensor = self.table(index % self.table.num_embeddings)
        if random is not None and self.dropout:
            places = tokens * len(row_BN) // len(random.items)  # an item may have several rows
            kept = random.chance(f"ngrams{self.size}", 1 - self.dropout, (places,))
            kept_BL1 = kept.to(found_BLN.device).view(*found_BLN.shape[:2], 1)
            found_BLN = found_BLN * kept_BL1 / (1 - self.dropout)
        said: Tensor = self.spread(found_BLN)
        return said
