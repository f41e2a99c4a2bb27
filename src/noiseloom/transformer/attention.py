"""Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762, eq. 1).

Shapes: B batch, L tokens, W width, H heads, D = W / H numbers per head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.transformer.positions import rotate


class Attention(nn.Module):
    """softmax(QKᵀ/√D) V over all tokens, with normalised queries and keys; starts at 0.

    The normalisation (Dehghani et al. 2023, arXiv:2302.05442, section 2.2; here without weights)
    bounds the logits by √D, which allows the large steps that matrix optimisers take. Raises
    ValueError where `heads` does not divide `width`.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, x_BLW: Tensor, rotation: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Mix the tokens; `rotation` holds their rotary positions.

        `mask` is true where a query (third axis) may see a key (fourth axis); it broadcasts to
        (B, H, L, L), so that (B, 1, 1, L) hides the padding of each item.
        """
        batch, tokens, width = x_BLW.shape
        size = width // self.heads
        qkv_BL3HD = self.qkv(x_BLW).view(batch, tokens, 3, self.heads, size)
        # queries and keys together: half as many small operations
        qk_BL2HD, v_BL1HD = qkv_BL3HD.split((2, 1), dim=2)
        qk_BL2HD = F.layer_norm(qk_BL2HD, (size,))
        if rotation is not None:
            qk_BL2HD = rotate(qk_BL2HD, rotation)
        # autocast normalises in float32; attention takes what it gave the values
        q_BHLD, k_BHLD = qk_BL2HD.to(v_BL1HD.dtype).transpose(1, 3).unbind(2)
        v_BHLD = v_BL1HD.transpose(1, 3).squeeze(2)
        mixed_BHLD = attend(q_BHLD, k_BHLD, v_BHLD, mask)
        return self.out(mixed_BHLD.transpose(1, 2).reshape(batch, tokens, width))


def attend(q_BHLD: Tensor, k_BHLD: Tensor, v_BHLD: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(QKᵀ/√D) V with torch's fused kernel, on a CPU in float32 at least.

    There the kernel's backward takes 40 times as long in bfloat16 (torch 2.13). `mask` is boolean,
    true where a key may be seen; a query that may see none answers 0.
    """
    if q_BHLD.device.type != "cpu":
        return F.scaled_dot_product_attention(q_BHLD, k_BHLD, v_BHLD, mask)
    q, k, v = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (q_BHLD, k_BHLD, v_BHLD))
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q, k, v, mask)
