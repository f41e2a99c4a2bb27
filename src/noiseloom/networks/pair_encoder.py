"""Two texts compared: by the runs of tokens that they share, and by what a transformer reads.

Few pairs teach a transformer few words, and that two texts share one it would have to learn for
each. Here that is given (`shared_runs`), and the transformer adds what it finds beyond.
Shapes: B batch, L tokens of a text, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.shared_runs import SharedRuns
from noiseloom.networks.text_encoder import Config as TextEncoderConfig
from noiseloom.seeds import Random


@dataclass(frozen=True, kw_only=True)
class Config:
    """Runs of tokens that two texts share, beside a transformer that reads them."""

    answers: ClassVar[tuple[Answer, ...]] = ("classes", "numbers")

    runs: tuple[int, ...] = option((1, 2, 3, 4), "lengths of the runs of tokens, one or more")
    rows: int = option(2**15, "rows of the table of weights of each length, found by hash")
    hidden: int = option(32, "numbers between what is shared and the answer")
    dropout: float = option(0.1, "share of the runs that training leaves out of the count")
    encoder: TextEncoderConfig | None = option(
        help="what reads the texts; null: only shared runs count",
        default_factory=lambda: TextEncoderConfig(width=64, depth=1, apart=True, dropout=0.2),
    )

    def __post_init__(self) -> None:
        if not self.runs or min(self.runs) < 1 or min(self.rows, self.hidden) < 1:
            raise ValueError(
                f"runs {list(self.runs)}, rows {self.rows} and hidden {self.hidden} are given; "
                "allowed is at least one length of runs, and for each at least 1"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; allowed is 0 to below 1")

    def build(self, vocabulary: int, context: int, columns: int, outputs: int) -> PairEncoder:
        """The network for pairs of texts, each of up to `context` tokens.

        Raises ValueError for items that are no pairs.
        """
        if columns != 2:
            raise ValueError(
                f"pair-encoder compares two texts, and the data's items have {columns}. Name two "
                "columns with data.text=[a, b], or use network text-encoder"
            )
        return PairEncoder(self, vocabulary, context, outputs)


class PairEncoder(nn.Module):
    """Pairs of texts to numbers; starts with all of them at 0."""

    def __init__(self, config: Config, vocabulary: int, context: int, outputs: int) -> None:
        super().__init__()
        self.shared = SharedRuns(config.runs, config.rows, config.dropout)
        self.line = nn.Linear(self.shared.features, outputs)
        self.bend = nn.Linear(self.shared.features, config.hidden)
        self.join = nn.Linear(config.hidden, outputs)
        for started_at_0 in (self.line, self.join):
            nn.init.zeros_(started_at_0.weight)
            nn.init.zeros_(started_at_0.bias)
        self.encoder = None
        if config.encoder is not None:
            self.encoder = config.encoder.build(vocabulary, context, 2, outputs)

    def forward(
        self, tokens_B2L: Tensor, is_real_B2L: Tensor, *, random: Random | None = None
    ) -> Tensor:
        """Numbers (B, O) of each pair; `is_real_B2L` is false for padding.

        With `random`, drop-out is on.
        """
        features = self.shared(tokens_B2L, is_real_B2L, random=random) - 0.5
        numbers: Tensor = self.line(features)
        numbers = numbers + self.join(F.gelu(self.bend(features)))
        if self.encoder is not None:
            read = random and random.under("encoder")
            numbers = numbers + self.encoder(tokens_B2L, is_real_B2L, random=read)
        return numbers
