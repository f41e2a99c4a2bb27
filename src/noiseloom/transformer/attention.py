"""Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762, eq. 1).

Shapes: B batch, L tokens, W width, H heads, D = W / H numbers per head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.transformer.positions import rotate


class Attention(nn.Module):
    """softmax(QKᵀ/√D) V over all tokens, queries and keys of unit mean square; starts at 0.

    The normalisation (Henry et al. 2020, arXiv:2010.04245) bounds the logits, which allows the
    large steps that matrix optimisers take. Raises ValueError where `heads` does not divide
    `width`.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        self.query_scale = nn.Parameter(torch.ones(width // heads))
        self.key_scale = nn.Parameter(torch.ones(width // heads))

    def forward(self, x_BLW: Tensor, rotation: Tensor | None = None) -> Tensor:
        """Mix the tokens; `rotation` holds their rotary positions."""
        batch, tokens, width = x_BLW.shape
        qkv = self.qkv(x_BLW).view(batch, tokens, 3, self.heads, width // self.heads)
        q_BHLD, k_BHLD, v_BHLD = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q_BHLD = rms_norm(q_BHLD, self.query_scale)
        k_BHLD = rms_norm(k_BHLD, self.key_scale)
        if rotation is not None:
            q_BHLD, k_BHLD = rotate(q_BHLD, rotation), rotate(k_BHLD, rotation)
        mixed_BHLD = F.scaled_dot_product_attention(q_BHLD, k_BHLD, v_BHLD)
        return self.out(mixed_BHLD.transpose(1, 2).reshape(batch, tokens, width))


def rms_norm(x: Tensor, scale: Tensor) -> Tensor:
    """`x` with unit mean square over its last axis, times `scale`, in x's dtype."""
    return F.rms_norm(x, x.shape[-1:], scale.to(x.dtype), eps=1e-6)
