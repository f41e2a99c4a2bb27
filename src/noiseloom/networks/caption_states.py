"""What a frozen model says of captions, as what a network's own reader begins with.

Shapes: B batch, L tokens of a caption, K those of the frozen model, F its width, W the network's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from noiseloom.errors import InputError
from noiseloom.networks.caption_reader import SHORTEST

LEAST_DEVIATION = 1e-4  # of a number that is the same for every token


class Reads(Protocol):
    """Reads captions by a model that is not trained: `width` numbers for each of its tokens.

    It has at most `longest` of them. `digest`, the model's SHA-256, says which it is, `model` what
    a person calls it.
    """

    width: int
    longest: int
    digest: bytes
    model: str

    def states(
        self, captions_BL: Tensor, device: torch.device, multiple: int
    ) -> tuple[Tensor, Tensor]:
        """What it says of them, (B, K, F), and which of it is real (B, K), on `device`.

        K is a multiple of `multiple`, or the longest; a row of padding has nothing real.
        """


@dataclass(frozen=True)
class States:
    """Captions that `reads` reads, rows of tokens filled up with `padding`."""

    reads: Reads
    padding: int

    @property
    def longest(self) -> int:
        """See `caption_reader.Wording`."""
        return self.reads.longest

    def embedding(self, width: int) -> StateEmbedding:
        """See `caption_reader.Wording`."""
        return StateEmbedding(self.reads, width)


class StateEmbedding(nn.Module):
    """A linear map of a frozen model's states, each of their numbers standardised.

    That is by its mean and deviation over the captions of the data (`learn`), since what a model
    says of one token lies close to what it says of any other. Before them stands a start of its
    own, as before embedded tokens. The map is of states divided by their number: a step of an
    optimiser such as Adam then changes what comes out as it changes an embedded token, and not more
    the wider the states are (Yang et al. 2022, arXiv:2203.03466). Which model it was trained on is
    part of its state: raises InputError where it is asked to read by another.
    """

    model_digest: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, reads: Reads, width: int) -> None:
        super().__init__()
        self.reads = reads
        self.start = nn.Parameter(torch.randn(width))
        self.enter = nn.Linear(reads.width, width)
        nn.init.normal_(self.enter.weight, std=reads.width**0.5)  # so that deviation 1 comes out
        nn.init.zeros_(self.enter.bias)
        digest = torch.tensor(list(reads.digest), dtype=torch.uint8)
        self.register_buffer("model_digest", digest)
        self.register_buffer("mean", torch.zeros(reads.width))
        self.register_buffer("deviation", torch.ones(reads.width))

    def learn(self, mean: Tensor, deviation: Tensor) -> None:
        """Take over each number's mean and deviation, (F,); it is part of the weights' state."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.clamp(min=LEAST_DEVIATION))

    def forward(self, captions_BL: Tensor) -> tuple[Tensor, Tensor]:
        """See `caption_reader.Wording`."""
        trained = bytes(self.model_digest.tolist())
        if trained != self.reads.digest:
            raise InputError(
                f"{self.reads.model} is not the model that captions were read by in training: its "
                f"hash begins with {self.reads.digest.hex()[:12]}, that one's with "
                f"{trained.hex()[:12]}. Restore the model, or train the recipe as a new run"
            )
        states_BKF, is_real_BK = self.reads.states(captions_BL, self.start.device, SHORTEST)
        standard_BKF = (states_BKF.float() - self.mean) / self.deviation
        entered = self.enter(standard_BKF / self.reads.width)
        start = self.start.to(entered.dtype).expand(len(entered), 1, -1)
        is_start = is_real_BK.new_ones(len(entered), 1)
        return torch.cat([start, entered], dim=1), torch.cat([is_start, is_real_BK], dim=1)
