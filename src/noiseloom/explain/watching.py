"""Watching attention: while a watch is open, a model's attention says what its weights are.

The fused kernel keeps no weights. For the time of a watch every `Attention` and `CrossAttention` of
a model attends another way: softmax(QKᵀ/√D) is written out, some queries at a time, and each part
is handed on at once and forgotten, so that memory holds one part of one layer. What is answered is
made of the very weights that are handed on, and equal to what the fused kernel answers but for
rounding. No hook is registered, and nothing of a watch is left when it ends.

A walk with classifier-free guidance asks for twice its samples at once: what is asked for is in the
first half of the rows, nothing asked for in the second.

Shapes: B rows of a batch, H heads, L queries of a call, Q queries of a part, K keys, D numbers per
head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from noiseloom.transformer.attention import Attention, CrossAttention, attention_weights

QUERIES = 128  # of a part: 128 x 4096 weights of 8 heads of one row are 16 MB

Kind = Literal["self", "joint", "cross"]
"""At one another; at one another and at a memory, in one softmax; at a memory alone."""


@dataclass(frozen=True)
class AttentionLayer:
    """A layer of attention: the place of its module in the model, and its number among all.

    Layers are counted in the order in which the model's modules stand, from 0.
    """

    number: int
    name: str
    kind: Kind
    heads: int


@dataclass(frozen=True)
class Looks:
    """What some queries of one call of a layer look at, and how much.

    `weights` (B, H, Q, K) are those of the queries from the `first` on, of `queries` in all; of the
    keys the first `remembered` are of a memory (a caption, a source), the others are tokens. `call`
    counts the calls of the layer since the watch began.
    """

    layer: AttentionLayer
    call: int
    first: int
    queries: int
    weights: Tensor
    remembered: int

    @property
    def is_last(self) -> bool:
        """Whether no queries of this call are left."""
        return self.first + self.weights.shape[2] == self.queries


OnLooks = Callable[[Looks], None]


def attention_layers(model: nn.Module) -> list[AttentionLayer]:
    """The layers of attention of a model."""
    return [layer for layer, _ in _found(model)]


@contextmanager
def watching(model: nn.Module, on_looks: OnLooks, *, queries: int = QUERIES) -> Iterator[None]:
    """While it is open, `on_looks` is told of all that the model's attention looks at.

    `queries` is how many it is told of at once. Raises ValueError where the model has no attention,
    and where it is being watched already.
    """
    found = _found(model)
    if not found:
        raise ValueError("the model has no attention that could be watched")
    if any(isinstance(module.attend, _Watched) for _, module in found):
        raise ValueError("the model is being watched already; end that watch first")
    before = [module.attend for _, module in found]
    try:
        for layer, module in found:
            module.attend = _Watched(layer, module.softcap, on_looks, queries)
        yield
    finally:
        for (_, module), attend in zip(found, before, strict=True):
            module.attend = attend


class _Watched:
    """Attends in place of the fused kernel, and tells."""

    def __init__(
        self, layer: AttentionLayer, softcap: float | None, on_looks: OnLooks, queries: int
    ) -> None:
        self.layer, self.softcap, self.on_looks, self.queries = layer, softcap, on_looks, queries
        self.calls = 0

    def __call__(
        self,
        q_BHLD: Tensor,
        k_BHKD: Tensor,
        v_BHKD: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        length, keys = q_BHLD.shape[2], k_BHKD.shape[2]
        remembered = {"self": 0, "joint": keys - length, "cross": keys}[self.layer.kind]
        parts = []
        if mask is not None:  # a row for each query, also where all may see the same
            mask = mask.expand(*mask.shape[:-2], length, keys)
        for first in range(0, length, self.queries):
            chosen = slice(first, first + self.queries)
            weights_BHQK = attention_weights(
                q_BHLD[:, :, chosen],
                k_BHKD,
                None if mask is None else mask[..., chosen, :],
                causal=causal,
                cap=self.softcap,
                first=first,
            )
            self.on_looks(Looks(self.layer, self.calls, first, length, weights_BHQK, remembered))
            parts.append(weights_BHQK @ v_BHKD.to(weights_BHQK.dtype))
        self.calls += 1
        return torch.cat(parts, dim=2).to(v_BHKD.dtype)


def _found(model: nn.Module) -> Sequence[tuple[AttentionLayer, Attention | CrossAttention]]:
    """The layers of attention and their modules."""
    found: list[tuple[AttentionLayer, Attention | CrossAttention]] = []
    for name, module in model.named_modules():
        if isinstance(module, Attention | CrossAttention):
            kind: Kind = "self" if module.remember is None else "joint"
            if isinstance(module, CrossAttention):
                kind = "cross"
            found.append((AttentionLayer(len(found), name, kind, module.heads), module))
    return found
