"""What a block does to every token alone: two linear maps with a bend between them.

Shapes: B batch, L tokens, W width.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["gelu", "gelu-tanh", "relu2", "swiglu"]


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


def gated_silu(x: Tensor) -> Tensor:
    """SwiGLU (Shazeer 2020, arXiv:2002.05202): the first half, through SiLU, gates the second."""
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu-tanh": partial(F.gelu, approximate="tanh"),
    "relu2": lambda x: SquaredReLU.apply(x),
    "swiglu": gated_silu,
}
GATED: frozenset[Activation] = frozenset({"swiglu"})  # these halve what they are given


class FeedForward(nn.Module):
    """Two linear maps with an activation between, on every token alone; starts at 0.

    A gated activation takes twice `hidden` numbers and leaves `hidden`.
    """

    def __init__(
        self, width: int, *, hidden: int, activation: Activation, bias: bool = False
    ) -> None:
        super().__init__()
        inner = 2 * hidden if activation in GATED else hidden
        self.up = nn.Linear(width, inner, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)
        nn.init.zeros_(self.down.weight)
        if bias:
            nn.init.zeros_(self.down.bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x_BLW: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x_BLW)))
