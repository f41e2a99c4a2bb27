"""A condition's say in a block: the scale, shift and gate of each of its branches.

Shapes: B batch, L tokens, W width, C width of the condition.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


def modulated_norm(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    normalise: Callable[[Tensor, tuple[int]], Tensor] = F.layer_norm,
) -> Tensor:
    """A norm without weights of its own, then the condition's scale and shift."""
    return torch.addcmul(shift, normalise(x, (x.shape[-1],)), scale)


def gated_sum(x: Tensor, branch: Tensor, gate: Tensor) -> Tensor:
    """x + gate · branch."""
    return torch.addcmul(x, branch, gate)
