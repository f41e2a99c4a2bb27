"""What a network would answer if it ended after each of its blocks: the lens.

A block's state is read by the network's own final head (the logit lens, nostalgebraist 2020), which
it reaches when the blocks after it hand it on as it is. After the last block that is the answer
itself. Shapes: S stages (before the first block, and after each), P places, V what may be answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.explain.interventions import Layer, skipped


@torch.no_grad()
def at_each_stage(layers: Sequence[Layer], answer: Callable[[], Tensor]) -> Tensor:
    """What `answer` comes to before the first layer, and after each: (S, …)."""
    found = []
    for stage in range(len(layers) + 1):
        with skipped(layers[stage:]):
            found.append(answer())
    return torch.stack(found)


@dataclass(frozen=True)
class Decoded:
    """Logits read at each stage.

    `best` (S, P) is the likeliest answer and `confidence` its probability; `rank` (S, P) how many
    answers were likelier than the one that it ends with, `final` its probability, and `settled`
    (P,) the first stage from which on the likeliest is what it ends with.
    """

    best: Tensor
    confidence: Tensor
    rank: Tensor
    final: Tensor
    settled: Tensor


def decoded(logits_SPV: Tensor) -> Decoded:
    """What the logits of each stage say."""
    probability = logits_SPV.double().softmax(dim=-1)
    confidence, best = probability.max(dim=-1)
    ends = best[-1].expand_as(best)[..., None]
    final = probability.gather(-1, ends)
    is_it = (best == best[-1]).long()
    stays = is_it.flip(0).cumprod(dim=0).flip(0)
    return Decoded(
        best=best,
        confidence=confidence,
        rank=(probability > final).sum(dim=-1),
        final=final[..., 0],
        settled=len(best) - stays.sum(dim=0),
    )
