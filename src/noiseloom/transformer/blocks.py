"""The one transformer block and its parts.

Shapes: B batch, L tokens, W width, C width of the condition.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.seeds import Random
from noiseloom.transformer.attention import Attention

Activation = Literal["gelu", "relu2"]

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu2": lambda x: F.relu(x).square(),  # So et al. 2021, arXiv:2109.08668
}


class FeedForward(nn.Module):
    """Two linear maps with an activation between them, applied to every token alone."""

    def __init__(self, width: int, *, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x_BLW: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x_BLW)))


class Modulation(nn.Module):
    """Shift, scale and gate of each of `branches` read off the condition: adaLN-Zero.

    (Peebles & Xie 2022, arXiv:2212.09748, section 3.2.) It starts at zero, so every branch starts
    switched off and the block is the identity.
    """

    def __init__(self, width: int, *, condition_width: int, branches: int) -> None:
        super().__init__()
        self.parts = 3 * branches
        self.linear = nn.Linear(condition_width, self.parts * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition_B1C: Tensor) -> tuple[Tensor, ...]:
        """3 x branches tensors (B, 1 or L, W): shift, scale, gate of each branch in turn."""
        return self.linear(F.silu(condition_B1C)).chunk(self.parts, dim=-1)


class Block(nn.Module):
    """Attention, then feed-forward, each normalised, modulated by the condition and added."""

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        hidden: int,
        activation: Activation,
        condition_width: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = Attention(width, heads=heads)
        self.feed_forward = FeedForward(width, hidden=hidden, activation=activation)
        self.modulation = Modulation(width, condition_width=condition_width, branches=2)
        self.dropout = dropout

    def forward(
        self,
        x_BLW: Tensor,
        condition_B1C: Tensor,
        rotation: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """One block; with `random`, drop-out is on."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = self.modulation(condition_B1C)
        mixed = self.attention(modulated_norm(x_BLW, shift_a, scale_a), rotation)
        x_BLW = x_BLW + gate_a * drop(mixed, self.dropout, random, "attention")
        fed = self.feed_forward(modulated_norm(x_BLW, shift_f, scale_f))
        return x_BLW + gate_f * drop(fed, self.dropout, random, "feed-forward")


def modulated_norm(x_BLW: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without weights of its own, then the condition's scale and shift."""
    return torch.addcmul(shift, F.layer_norm(x_BLW, x_BLW.shape[-1:]), 1 + scale)


def drop(x: Tensor, probability: float, random: Random | None, purpose: str) -> Tensor:
    """Drop-out whose mask comes from `random` (none: no drop-out), so that a resume repeats it."""
    if random is None or probability == 0:
        return x
    kept = random.keep(f"dropout/{purpose}", 1 - probability, x.shape[1:]).to(x.device)
    return x * kept / (1 - probability)
