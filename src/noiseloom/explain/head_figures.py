"""What is told of a head of attention in numbers: how spread its looks are, how far, and at what.

Shapes: B rows, H heads, Q queries, K tokens that are looked at, A axes of the tokens' places.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.explain.watching import Looks

NAMES = ("entropy", "distance", "own", "remembered")


@dataclass
class HeadFigures:
    """Means over all queries of the calls that were added, of each head of one layer.

    `entropy` of a query's weights is in nats; `distance`, in steps between tokens, is that of what
    it looks at among the tokens; `own` is the weight of itself, `remembered` that of the memory.
    """

    sums: Tensor | None = None  # (figures, H) float64
    queries: int = 0

    def add(self, looks: Looks, places_KA: Tensor | None) -> None:
        """Count some queries in, whose tokens stand at `places`; None: all is memory."""
        entropy = entropies(looks.weights).sum(dim=(0, 2))
        weights = looks.weights[..., looks.remembered :]
        remembered = looks.weights[..., : looks.remembered].sum(dim=(0, 2, 3))
        distance = own = torch.zeros_like(entropy)
        if places_KA is not None:
            after = looks.first + weights.shape[2]
            far_QK = torch.cdist(places_KA[looks.first : after], places_KA).to(weights)
            among = weights.sum(dim=-1).clamp(min=torch.finfo(weights.dtype).tiny)
            distance = ((weights * far_QK).sum(dim=-1) / among).sum(dim=(0, 2))
            own = weights.diagonal(looks.first, -2, -1).sum(dim=(0, 2))
        figures = torch.stack([entropy, distance, own, remembered]).double().cpu()
        self.sums = figures if self.sums is None else self.sums + figures
        self.queries += weights.shape[0] * weights.shape[2]

    def means(self) -> Tensor:
        """(figures, H), in the order of `NAMES`."""
        assert self.sums is not None  # something was added
        return self.sums / self.queries


def entropies(weights: Tensor) -> Tensor:
    """-Σ w ln w of weights over their last axis, in nats."""
    return torch.special.entr(weights).sum(dim=-1)
