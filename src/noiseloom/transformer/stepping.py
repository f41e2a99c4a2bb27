"""A block for one more token of each text, on a processor, in NumPy.

At one token a block is some forty operations on a few hundred numbers, so that what counts is not
arithmetic but calls: those of NumPy take a fifth of the time of torch's, and its products of a
matrix and a vector a third. The numbers are those of `Block`, up to rounding, and lie in the same
memory: weights are read where the block has them, keys and values where the cache has them.

Shapes: B texts, W width, H heads, G heads of keys and values, R = H / G, D numbers per head,
K tokens seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.transformer.blocks import Block
from noiseloom.transformer.cache import LayerCache
from noiseloom.transformer.norms import RmsNorm

Map = Callable[[np.ndarray], np.ndarray]
HEAD_EPS = 1e-5  # of torch's layer norm
BOUNDED = 1024  # numbers per head up to which logits of at most √D are far from overflowing


def can_step(model: nn.Module) -> bool:
    """Whether all its weights are plain float32 in the processor's memory."""
    return all(
        type(one.data) is Tensor and one.dtype == torch.float32 and one.device.type == "cpu"
        for one in model.parameters()
    )


class BlockStep:
    """What a causal block of plain parts does to the next token of each text."""

    def __init__(self, block: Block) -> None:
        attention, feed_forward = block.attention, block.feed_forward
        self.heads, self.groups = attention.heads, attention.kv_heads
        self.size = attention.size
        self.enter, self.enter_last = (norm_map(norm) for norm in block.norms)
        self.qkv, self.out = linear_map(attention.qkv), linear_map(attention.out)
        self.up, self.down = linear_map(feed_forward.up), linear_map(feed_forward.down)
        self.bend = BENDS.get(block.parts.activation) or _through_torch(feed_forward.activation)
        self.qk_norm, self.softcap = block.parts.qk_norm, block.parts.softcap
        # normalised, queries and keys are √D long: their exponential is at most e^√D
        self.is_bounded = self.qk_norm and self.size <= BOUNDED

    def __call__(
        self,
        x_BW: np.ndarray,
        layer: LayerCache,
        *,
        rotation: tuple[np.ndarray, np.ndarray] | None,
        hidden_BK: np.ndarray | None,
        value_BW: np.ndarray | None,
    ) -> np.ndarray:
        """The block's answer; the token's key and value go into the cache.

        `rotation` is the token's row of cosines and of sines. `hidden_BK` is added to logits: -inf
        for padding. `value_BW` is added to values.
        """
        x_BW = x_BW + self.out(self._mix(self.enter(x_BW), layer, rotation, hidden_BK, value_BW))
        return x_BW + self.down(self.bend(self.up(self.enter_last(x_BW))))

    def _mix(
        self,
        x_BW: np.ndarray,
        layer: LayerCache,
        rotation: tuple[np.ndarray, np.ndarray] | None,
        hidden_BK: np.ndarray | None,
        value_BW: np.ndarray | None,
    ) -> np.ndarray:
        batch, heads, groups, size = len(x_BW), self.heads, self.groups, self.size
        qkv_BHD = self.qkv(x_BW).reshape(batch, heads + 2 * groups, size)
        qk_BHD, v_BGD = qkv_BHD[:, : heads + groups], qkv_BHD[:, heads + groups :]
        if self.qk_norm:
            qk_BHD = _centred(qk_BHD, HEAD_EPS)
        if rotation is not None:
            half, (cos, sin) = size // 2, rotation
            rolled = np.concatenate((qk_BHD[..., half:], qk_BHD[..., :half]), axis=-1)
            rolled *= sin
            qk_BHD = qk_BHD * cos
            qk_BHD += rolled
        if value_BW is not None:
            v_BGD = v_BGD + value_BW.reshape(v_BGD.shape)
        assert layer.buffer is not None  # the text has a beginning
        first, end = layer.make_room()
        cached = layer.buffer.numpy()
        cached[0, :, :, end - 1] = qk_BHD[:, heads:]
        cached[1, :, :, end - 1] = v_BGD
        k_BGKD, v_BGKD = cached[:, :, :, first:end]
        q_BGRD = qk_BHD[:, :heads].reshape(batch, groups, heads // groups, size)
        logits_BGRK = np.matmul(q_BGRD, k_BGKD.swapaxes(2, 3))
        logits_BGRK *= 1 / math.sqrt(size)
        if self.softcap is not None:
            logits_BGRK = self.softcap * np.tanh(logits_BGRK / self.softcap)
        if hidden_BK is not None:
            logits_BGRK += hidden_BK[:, None, None, -(end - first) :]
        if not self.is_bounded:
            logits_BGRK -= np.maximum.reduce(logits_BGRK, axis=-1, keepdims=True)
        weights_BGRK = np.exp(logits_BGRK, out=logits_BGRK)
        mixed_BGRD = np.matmul(weights_BGRK, v_BGKD)
        mixed_BGRD /= np.add.reduce(weights_BGRK, axis=-1, keepdims=True)
        return mixed_BGRD.reshape(batch, heads * size)


# The parts -------------------------------------------------------------------------------------


def linear_map(linear: nn.Linear) -> Map:
    """x Wᵀ + b."""
    weight = linear.weight.detach().numpy().T
    if linear.bias is None:
        return lambda x_BW: np.matmul(x_BW, weight)
    bias = linear.bias.detach().numpy()
    return lambda x_BW: np.matmul(x_BW, weight) + bias


def norm_map(norm: nn.Module) -> Map:
    """RMSNorm or LayerNorm over the width, with their weights if they have any."""
    assert isinstance(norm, RmsNorm | nn.LayerNorm)
    eps = norm.eps
    plain = _scaled if isinstance(norm, RmsNorm) else _centred
    if norm.weight is None:
        return lambda x_BW: plain(x_BW, eps)
    weight = norm.weight.detach().numpy()
    if (bias := getattr(norm, "bias", None)) is None:
        return lambda x_BW: plain(x_BW, eps) * weight
    shift = bias.detach().numpy()
    return lambda x_BW: plain(x_BW, eps) * weight + shift


def _scaled(x: np.ndarray, eps: float) -> np.ndarray:
    """x over the root of its mean square."""
    square: np.ndarray = np.vecdot(x, x)[..., None]
    square *= 1 / x.shape[-1]
    square += eps
    scaled: np.ndarray = x / np.sqrt(square, out=square)
    return scaled


def _centred(x: np.ndarray, eps: float) -> np.ndarray:
    """x less its mean, over the root of its variance."""
    mean = np.add.reduce(x, axis=-1, keepdims=True)
    mean *= 1 / x.shape[-1]
    return _scaled(x - mean, eps)


def _squared_relu(x: np.ndarray) -> np.ndarray:
    positive = np.maximum(x, 0)
    positive *= positive
    return positive


def _through_torch(function: Callable[[Tensor], Tensor]) -> Map:
    return lambda x: function(torch.from_numpy(x)).numpy()


BENDS: dict[str, Map] = {"relu2": _squared_relu}  # of those that NumPy has
