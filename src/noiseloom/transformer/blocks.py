"""The one transformer block, put together from the parts that a network chooses.

Shapes: B batch, L tokens, W width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.seeds import Random
from noiseloom.transformer.attention import EVERYTHING, Attention, CrossAttention, Memory, Sight
from noiseloom.transformer.cache import LayerCache
from noiseloom.transformer.feed_forward import Activation, FeedForward
from noiseloom.transformer.modulation import gated_sum, modulated_norm, modulation_table
from noiseloom.transformer.norms import RmsNorm

Norm = Literal["layer", "rms"]
Looks = Literal["nowhere", "across", "jointly"]
NORMALISE: dict[Norm, Callable[..., Tensor]] = {"layer": F.layer_norm, "rms": F.rms_norm}
RMS_EPS = 1e-6

Frame = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]
"""How a branch is entered, norm(x), and how what it says is added, sum(x, said)."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a block is made of.

    `hidden` is the width inside the feed-forward. `learned_norm` gives norms weights of their own.
    `modulated` makes a condition scale, shift and gate the branches instead (`modulation`). With a
    `memory_width` the tokens look at a memory: `across`, in a branch of its own, or `jointly` with
    one another in one softmax. The rest is as in `Attention` and `FeedForward`.
    """

    width: int
    heads: int
    hidden: int
    activation: Activation = "relu2"
    kv_heads: int | None = None
    norm: Norm = "layer"
    learned_norm: bool = False
    bias: bool = False
    qk_norm: bool = True
    softcap: float | None = None
    dropout: float = 0.0
    modulated: bool = False
    looks: Looks = "nowhere"
    memory_width: int | None = None


class Block(nn.Module):
    """Attention, then cross-attention if any, then feed-forward, each normalised and added.

    All branches start at 0, so the block starts as the identity.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        joint = parts.memory_width if parts.looks == "jointly" else None
        self.attention = Attention(
            parts.width,
            heads=parts.heads,
            kv_heads=parts.kv_heads,
            bias=parts.bias,
            qk_norm=parts.qk_norm,
            softcap=parts.softcap,
            memory_width=joint,
        )
        self.cross_attention: CrossAttention | None = None
        if parts.looks == "across":
            assert parts.memory_width is not None  # who looks knows how wide
            self.cross_attention = CrossAttention(
                parts.width,
                heads=parts.heads,
                kv_heads=parts.kv_heads,
                bias=parts.bias,
                qk_norm=parts.qk_norm,
                softcap=parts.softcap,
                memory_width=parts.memory_width,
            )
        self.feed_forward = FeedForward(
            parts.width, hidden=parts.hidden, activation=parts.activation, bias=parts.bias
        )
        self.parts, self.dropout = parts, parts.dropout
        branches = 3 if self.cross_attention is not None else 2
        self.frames: Callable[..., Sequence[Frame]]
        if parts.modulated:
            self.table = modulation_table(parts.width, branches)
            self.normalise = NORMALISE[parts.norm]
            self.frames = self._modulated
        else:
            self.norms = nn.ModuleList(norm_of(parts) for _ in range(branches))
            self.frames = self._plain

    def forward(
        self,
        x_BLW: Tensor,
        sight: Sight = EVERYTHING,
        *,
        modulation: Tensor | None = None,
        memory: Memory | None = None,
        cache: LayerCache | None = None,
        value_BLW: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """One block; with `random`, drop-out is on.

        `modulation` is (B, 1 or L, 3 x branches, W) where the block is modulated. `memory` is what
        its `remember` made. The rest is as `Attention` takes it.
        """
        (enter, add), *between, (enter_last, add_last) = self.frames(modulation)
        mixed = self.attention(
            enter(x_BLW),
            sight,
            cache=cache,
            memory=None if between else memory,
            value_BLW=value_BLW,
        )
        x_BLW = add(x_BLW, drop(mixed, self.dropout, random, "attention"))
        for enter, add in between:
            assert self.cross_attention is not None and memory is not None
            read = self.cross_attention(enter(x_BLW), memory)
            x_BLW = add(x_BLW, drop(read, self.dropout, random, "cross-attention"))
        fed = self.feed_forward(enter_last(x_BLW))
        return add_last(x_BLW, drop(fed, self.dropout, random, "feed-forward"))

    def remember(self, memory_BMW: Tensor, is_real_BM: Tensor | None = None) -> Memory:
        """What this block keeps of the tokens that it looks at; once for all its calls."""
        looking = self.attention if self.cross_attention is None else self.cross_attention
        assert looking.remember is not None  # it was built to look
        remembered: Memory = looking.remember(memory_BMW, is_real_BM)
        return remembered

    def _plain(self, modulation: None) -> Sequence[Frame]:
        return [(norm, torch.add) for norm in self.norms]

    def _modulated(self, modulation: Tensor) -> Sequence[Frame]:
        rows = (modulation + self.table).unbind(dim=-2)
        return [
            (
                partial(modulated_norm, scale=scale, shift=shift, normalise=self.normalise),
                partial(gated_sum, gate=gate),
            )
            for scale, shift, gate in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        ]


def norm_of(parts: Parts) -> nn.Module:
    """A norm over the width as the parts say."""
    if parts.norm == "rms":
        return RmsNorm(parts.width, eps=RMS_EPS, learned=parts.learned_norm)
    return nn.LayerNorm(parts.width, elementwise_affine=parts.learned_norm, bias=parts.bias)


def drop(x: Tensor, probability: float, random: Random | None, purpose: str) -> Tensor:
    """Drop-out whose mask comes from `random` (none: no drop-out), so that a resume repeats it."""
    if random is None or probability == 0:
        return x
    kept = random.chance(f"dropout/{purpose}", 1 - probability, x.shape[1:]).to(x.device)
    return x * kept / (1 - probability)
