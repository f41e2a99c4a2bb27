"""The root-mean-square norm (Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _Normalise(torch.autograd.Function):
    """x / sqrt(mean(x²) + eps) over the last axis, by as few passes over memory as it takes.

    torch (2.13) has it fused for GPUs alone: on a CPU its backward takes four times as long.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        exact = torch.promote_types(x.dtype, torch.float32)
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=exact)
        scale = length.square().div_(x.shape[-1]).add_(eps).rsqrt_().to(x.dtype)
        normalised = x * scale
        ctx.save_for_backward(normalised, scale)
        return normalised

    @staticmethod
    @once_differentiable  # a second derivative would take `scale` for a constant
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        normalised, scale = ctx.saved_tensors
        shared = (gradient * normalised).mean(dim=-1, keepdim=True)
        return torch.addcmul(gradient, normalised, shared, value=-1) * scale, None


class RmsNorm(nn.Module):
    """The norm over the last axis of `width` numbers, with weights of its own where `learned`."""

    def __init__(self, width: int, *, eps: float, learned: bool) -> None:
        super().__init__()
        self.width, self.eps = width, eps
        self.weight = nn.Parameter(torch.ones(width)) if learned else None

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return F.rms_norm(x, (self.width,), self.weight, self.eps)
        normalised: Tensor = _Normalise.apply(x, self.eps)
        return normalised if self.weight is None else normalised * self.weight
