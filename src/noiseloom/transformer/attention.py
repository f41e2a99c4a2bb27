"""Multi-head attention (Vaswani et al. 2017, arXiv:1706.03762, eq. 1): self, cross and joint.

Shapes: B batch, L tokens (queries), K keys, W width, H heads, G heads of keys and values,
D = W / H numbers per head.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.transformer.cache import LayerCache
from noiseloom.transformer.positions import rotate


@dataclass(frozen=True)
class Sight:
    """Which tokens see which, and where they stand.

    `rotation` holds the rotary positions of the queries, (2, L or B, L, D). `mask` is true where a
    query may see a key, broadcast to (B, H, L, K): see `masks`. `causal` hides the keys after a
    query without a mask, where there are as many keys as queries.
    """

    rotation: Tensor | None = None
    mask: Tensor | None = None
    causal: bool = False


EVERYTHING = Sight()


@dataclass(frozen=True)
class Memory:
    """Keys and values (B, G, M, D) of what is looked at from outside: a source, a caption.

    `is_real` (B, M) is false for padding; None: all is real.
    """

    k: Tensor
    v: Tensor
    is_real: Tensor | None = None

    def select(self, rows: Tensor) -> "Memory":
        """The memory of these rows of the batch."""
        is_real = None if self.is_real is None else self.is_real.index_select(0, rows)
        return Memory(self.k.index_select(0, rows), self.v.index_select(0, rows), is_real)


class Remember(nn.Module):
    """Makes a `Memory` of tokens (B, M, `width`), once for all who look at it."""

    def __init__(self, width: int, *, heads: int, size: int, qk_norm: bool, bias: bool) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.kv = nn.Linear(width, 2 * heads * size, bias=bias)
        self.normalise = head_norm(size, qk_norm)

    def forward(self, memory_BMW: Tensor, is_real_BM: Tensor | None = None) -> Memory:
        batch, tokens, _ = memory_BMW.shape
        kv_BM2GD = self.kv(memory_BMW).view(batch, tokens, 2, self.heads, self.size)
        k_BGMD, v_BGMD = kv_BM2GD.transpose(1, 3).unbind(2)
        # a copy: it is looked at again and again, and whoever shares out weights wants no view
        v_BGMD = v_BGMD.contiguous()
        return Memory(self.normalise(k_BGMD).to(v_BGMD.dtype), v_BGMD, is_real_BM)


class Attention(nn.Module):
    """softmax(QKᵀ/√D) V over tokens, with normalised queries and keys; starts at 0.

    The normalisation (Dehghani et al. 2023, arXiv:2302.05442, section 2.2; here without weights)
    bounds the logits by √D, which allows the large steps that matrix optimisers take. With fewer
    `kv_heads` than heads, groups of heads share keys and values (Ainslie et al. 2023,
    arXiv:2305.13245). `softcap` bounds the logits by c·tanh(·/c) (Gemma 2, arXiv:2408.00118). With
    a `memory_width` the tokens also see a memory of that width, in one softmax (joint attention;
    what is remembered does not look back). Raises ValueError where heads do not divide.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        kv_heads: int | None = None,
        bias: bool = False,
        qk_norm: bool = True,
        softcap: float | None = None,
        memory_width: int | None = None,
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        check_heads(width, heads, kv_heads)
        self.heads, self.kv_heads, self.size = heads, kv_heads, width // heads
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.size, bias=bias)
        self.out = _zero_linear(width, bias)
        self.normalise = head_norm(self.size, qk_norm)
        self.softcap = softcap
        self.attend = attend if softcap is None else partial(attend_capped, cap=softcap)
        self.remember: Remember | None = None
        if memory_width is not None:
            self.remember = Remember(
                memory_width, heads=kv_heads, size=self.size, qk_norm=qk_norm, bias=bias
            )

    def forward(
        self,
        x_BLW: Tensor,
        sight: Sight = EVERYTHING,
        *,
        cache: LayerCache | None = None,
        memory: Memory | None = None,
        value_BLW: Tensor | None = None,
    ) -> Tensor:
        """Mix the tokens, those in `cache` and the `memory` among what is seen.

        `value_BLW` (B, L, G x D) is added to the values. With a cache or a memory, `sight.mask`
        says all that is hidden; `sight.causal` is for neither.
        """
        batch, tokens, width = x_BLW.shape
        heads, groups = self.heads, self.kv_heads
        qkv_BLHD = self.qkv(x_BLW).view(batch, tokens, heads + 2 * groups, self.size)
        # queries and keys together: half as many small operations
        qk_BLHD, v_BLGD = qkv_BLHD.split((heads + groups, groups), dim=2)
        qk_BLHD = self.normalise(qk_BLHD)
        if sight.rotation is not None:
            qk_BLHD = rotate(qk_BLHD, sight.rotation)
        # autocast normalises in float32; attention takes what it gave the values
        qk_BHLD = qk_BLHD.to(v_BLGD.dtype).transpose(1, 2)
        q_BHLD, k_BGKD = qk_BHLD.split((heads, groups), dim=1)
        if value_BLW is not None:
            v_BLGD = v_BLGD + value_BLW.view_as(v_BLGD)
        v_BGKD = v_BLGD.transpose(1, 2)
        if cache is not None:
            k_BGKD, v_BGKD = cache.extend(k_BGKD, v_BGKD)
        mask = sight.mask
        if memory is not None:
            mask = _beside(memory, mask, k_BGKD.shape[2])
            k_BGKD = torch.cat([memory.k, k_BGKD], dim=2)
            v_BGKD = torch.cat([memory.v, v_BGKD], dim=2)
        k_BHKD, v_BHKD = _for_heads(k_BGKD, heads), _for_heads(v_BGKD, heads)
        mixed_BHLD = self.attend(q_BHLD, k_BHKD, v_BHKD, mask, causal=sight.causal)
        return self.out(mixed_BHLD.transpose(1, 2).reshape(batch, tokens, width))


class CrossAttention(nn.Module):
    """Attention of tokens to a memory alone, without positions; starts at 0."""

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        memory_width: int,
        kv_heads: int | None = None,
        bias: bool = False,
        qk_norm: bool = True,
        softcap: float | None = None,
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        check_heads(width, heads, kv_heads)
        self.heads, self.size = heads, width // heads
        self.q = nn.Linear(width, width, bias=bias)
        self.out = _zero_linear(width, bias)
        self.normalise = head_norm(self.size, qk_norm)
        self.softcap = softcap
        self.attend = attend if softcap is None else partial(attend_capped, cap=softcap)
        self.remember = Remember(
            memory_width, heads=kv_heads, size=self.size, qk_norm=qk_norm, bias=bias
        )

    def forward(self, x_BLW: Tensor, memory: Memory) -> Tensor:
        """What each token reads in the memory."""
        batch, tokens, width = x_BLW.shape
        q_BLHD = self.normalise(self.q(x_BLW).view(batch, tokens, self.heads, self.size))
        mask = None if memory.is_real is None else memory.is_real[:, None, None, :]
        k_BHMD, v_BHMD = _for_heads(memory.k, self.heads), _for_heads(memory.v, self.heads)
        mixed_BHLD = self.attend(q_BLHD.to(v_BHMD.dtype).transpose(1, 2), k_BHMD, v_BHMD, mask)
        return self.out(mixed_BHLD.transpose(1, 2).reshape(batch, tokens, width))


def attend(
    q_BHLD: Tensor,
    k_BHKD: Tensor,
    v_BHKD: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """softmax(QKᵀ/√D) V with torch's fused kernel, on a CPU in float32 at least.

    There the kernel's backward takes 40 times as long in bfloat16 (torch 2.13). `mask` is boolean,
    true where a key may be seen; a query that may see none answers 0.
    """
    if q_BHLD.device.type != "cpu":
        return F.scaled_dot_product_attention(q_BHLD, k_BHKD, v_BHKD, mask, is_causal=causal)
    q, k, v = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (q_BHLD, k_BHKD, v_BHKD))
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)


def attend_capped(
    q_BHLD: Tensor,
    k_BHKD: Tensor,
    v_BHKD: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    cap: float,
) -> Tensor:
    """The same with logits bounded by `cap`, written out: the fused kernel cannot bound them."""
    exact = torch.promote_types(q_BHLD.dtype, torch.float32)
    with torch.autocast(q_BHLD.device.type, enabled=False):
        weights_BHLK = attention_weights(q_BHLD, k_BHKD, mask, causal=causal, cap=cap)
        return (weights_BHLK @ v_BHKD.to(exact)).to(v_BHKD.dtype)


def attention_weights(
    q_BHQD: Tensor,
    k_BHKD: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    cap: float | None = None,
    first: int = 0,
) -> Tensor:
    """softmax(QKᵀ/√D), (B, H, Q, K), in float32 at least; `cap` bounds the logits.

    `mask` is boolean, for these queries; they may be a part of all, from the `first` on, which
    `causal` has to know. A query that may see no key has weights of 0.
    """
    exact = torch.promote_types(q_BHQD.dtype, torch.float32)
    q, k = q_BHQD.to(exact), k_BHKD.to(exact)
    with torch.autocast(q.device.type, enabled=False):
        if cap is None:
            logits = q @ k.mT / math.sqrt(q.shape[-1])
        else:
            logits = cap * torch.tanh(q @ k.mT / (math.sqrt(q.shape[-1]) * cap))
        if causal:
            ones = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device)
            seen = ones.tril(diagonal=first)
            mask = seen if mask is None else mask & seen
        if mask is not None:  # finite, so that a query that may see nothing has a gradient
            logits = logits.masked_fill(~mask, torch.finfo(exact).min)
        weights = logits.softmax(dim=-1)
        return weights if mask is None else weights * mask


def head_norm(size: int, wanted: bool) -> Callable[[Tensor], Tensor]:
    """What queries and keys of `size` numbers go through."""
    return partial(F.layer_norm, normalized_shape=(size,)) if wanted else _as_it_is


def check_heads(width: int, heads: int, kv_heads: int) -> None:
    """ValueError where heads do not divide the width, or those of keys do not divide the heads."""
    if width % heads:
        raise ValueError(f"width {width} is not divisible by {heads} heads")
    if heads % kv_heads:
        raise ValueError(
            f"{heads} heads cannot share {kv_heads} heads of keys evenly; allowed is a divisor of "
            f"{heads}"
        )


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _zero_linear(width: int, bias: bool) -> nn.Linear:
    linear = nn.Linear(width, width, bias=bias)
    nn.init.zeros_(linear.weight)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


def _for_heads(x_BGKD: Tensor, heads: int) -> Tensor:
    """Keys or values of G heads for all H heads, each repeated for its group."""
    groups = x_BGKD.shape[1]
    return x_BGKD if groups == heads else x_BGKD.repeat_interleave(heads // groups, dim=1)


def _beside(memory: Memory, mask: Tensor | None, keys: int) -> Tensor | None:
    """The mask of the memory's tokens, then of the `keys` that `mask` is for."""
    if mask is None and memory.is_real is None:
        return None
    batch, _, remembered, _ = memory.k.shape
    device = memory.k.device
    if memory.is_real is None:
        outside = torch.ones(batch, 1, 1, remembered, dtype=torch.bool, device=device)
    else:
        outside = memory.is_real[:, None, None, :]
    if mask is None:
        mask = torch.ones(batch, 1, 1, keys, dtype=torch.bool, device=device)
    mask = mask.expand(batch, mask.shape[-3] if mask.ndim > 2 else 1, *mask.shape[-2:])
    return torch.cat([outside.expand(-1, mask.shape[1], mask.shape[2], -1), mask], dim=-1)
