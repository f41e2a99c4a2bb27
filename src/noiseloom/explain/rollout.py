"""Attention rollout (Abnar & Zuidema 2020, arXiv:2005.00928, section 3): looks through all layers.

A layer passes on half of what a token was (the residual path) and half of what it looks at,

    A = W / 2 + I / 2,     rollout = A_n … A_2 A_1

with W the mean over heads. Rows sum to 1: they say of what, at the model's input, a token is made
after the last layer, if values and feed-forwards moved nothing. A memory stays what it is through
all layers. Shapes: B rows, L tokens, M tokens of the memory, R = M + L.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unmixed(rows: int, tokens: int, remembered: int, device: torch.device) -> Tensor:
    """The rollout of no layer: each token is itself, (B, L, R)."""
    own = torch.eye(remembered + tokens, device=device)[remembered:]
    return own.expand(rows, -1, -1).clone()


def through(weights_BLK: Tensor, rollout_BLR: Tensor, remembered: int) -> Tensor:
    """The rollout after one layer more, whose weights K = (its part of the memory), tokens.

    Of a layer that looks at a memory alone K is M: `remembered` is how many of K are memory.
    """
    of_memory, of_tokens = weights_BLK.split([remembered, weights_BLK.shape[2] - remembered], dim=2)
    mixed = rollout_BLR / 2
    if of_tokens.shape[2]:
        mixed = mixed + of_tokens @ rollout_BLR / 2
    mixed[..., :remembered] += of_memory / 2
    return mixed
