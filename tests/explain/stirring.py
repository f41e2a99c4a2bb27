"""Networks whose every weight says something: those that start at 0 would hide what is tested."""

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def stirred(module: M, seed: int = 0, spread: float = 0.3) -> M:
    """The module with all its parameters drawn at random."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(spread * torch.randn(parameter.shape, generator=random))
    return module


def hooks_of(module: nn.Module) -> int:
    """How many hooks are registered in it."""
    return sum(
        len(hooks)
        for part in module.modules()
        for hooks in (part._forward_hooks, part._forward_pre_hooks)
    )
