"""The one transformer block and its parts.

Shapes: B batch, L tokens, W width, C width of the condition.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.seeds import Random
from noiseloom.transformer.attention import Attention

Activation = Literal["gelu", "relu2"]


class SquaredReLU(torch.autograd.Function):
    """max(x, 0)² (So et al. 2021, arXiv:2109.08668).

    Written out, since autograd's own way through relu and square reads memory twice as often.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        positive = F.relu(x)
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        return (gradient * positive).mul_(2)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu2": lambda x: SquaredReLU.apply(x),
}


class FeedForward(nn.Module):
    """Two linear maps with an activation between, on every token alone; starts at 0."""

    def __init__(self, width: int, *, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.down.weight)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x_BLW: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x_BLW)))


class Modulation(nn.Module):
    """Reads scale, shift and gate of each of `branches` off the condition, once for all blocks.

    adaLN-single (Chen et al. 2023, arXiv:2310.00426, 2.3): a block adds a `table` of its own
    to what all share, instead of a map of its own. The map starts at zero.
    """

    def __init__(self, width: int, *, condition_width: int, branches: int) -> None:
        super().__init__()
        self.shape = (3 * branches, width)
        self.linear = nn.Linear(condition_width, 3 * branches * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition: Tensor) -> Tensor:
        """(…, C) to (…, 3 x branches, W): scale, shift, gate of each branch in turn."""
        return self.linear(F.silu(condition)).unflatten(-1, self.shape)


def modulation_table(width: int, branches: int) -> nn.Parameter:
    """A block's own part of its modulation: scales and gates start at 1, shifts at 0.

    Shape (1, 1, 3 x branches, W).
    """
    rows = torch.tensor([1.0, 0.0, 1.0]).repeat(branches)
    return nn.Parameter(rows[None, None, :, None].repeat(1, 1, 1, width))


class Block(nn.Module):
    """Attention, then feed-forward, each normalised, modulated by the condition if any, and added.

    Both branches start at 0, so the block starts as the identity.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        hidden: int,
        activation: Activation,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = Attention(width, heads=heads)
        self.feed_forward = FeedForward(width, hidden=hidden, activation=activation)
        self.table = modulation_table(width, branches=2)
        self.dropout = dropout

    def forward(
        self,
        x_BLW: Tensor,
        modulation: Tensor | None,
        rotation: Tensor | None = None,
        random: Random | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """One block; `modulation` is (B, 1 or L, 6, W), `mask` as `Attention` takes it.

        Without modulation the block's own table is the scale, shift and gate of each branch, which
        are then plain weights. With `random`, drop-out is on.
        """
        rows = self.table if modulation is None else modulation + self.table
        scale_a, shift_a, gate_a, scale_f, shift_f, gate_f = rows.unbind(dim=-2)
        mixed = self.attention(modulated_norm(x_BLW, scale_a, shift_a), rotation, mask)
        x_BLW = torch.addcmul(x_BLW, drop(mixed, self.dropout, random, "attention"), gate_a)
        fed = self.feed_forward(modulated_norm(x_BLW, scale_f, shift_f))
        return torch.addcmul(x_BLW, drop(fed, self.dropout, random, "feed-forward"), gate_f)


def modulated_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm without weights of its own, then the condition's scale and shift."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), scale)


def drop(x: Tensor, probability: float, random: Random | None, purpose: str) -> Tensor:
    """Drop-out whose mask comes from `random` (none: no drop-out), so that a resume repeats it."""
    if random is None or probability == 0:
        return x
    kept = random.chance(f"dropout/{purpose}", 1 - probability, x.shape[1:]).to(x.device)
    return x * kept / (1 - probability)
