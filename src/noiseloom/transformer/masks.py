"""Who may see whom: boolean masks, true where a query (third axis) may see a key (fourth axis).

Each is of shape (B or 1, 1, L or 1, K) and they combine with `&`. B batch, L queries, K keys; the
last query stands at the last key.
"""

from __future__ import annotations

import torch
from torch import Tensor


def causal(queries: int, keys: int | None = None, *, device: torch.device | None = None) -> Tensor:
    """Each token sees itself and those before it."""
    keys = queries if keys is None else keys
    return _behind(queries, keys, device) >= 0


def window(
    queries: int, width: int, keys: int | None = None, *, device: torch.device | None = None
) -> Tensor:
    """Each token sees those less than `width` away from it, itself among them."""
    keys = queries if keys is None else keys
    return _behind(queries, keys, device).abs() < width


def blocks(tokens: int, size: int, *, device: torch.device | None = None) -> Tensor:
    """Each token sees its own block of `size` tokens, and all blocks before it."""
    block = torch.arange(tokens, device=device) // size
    return (block[:, None] >= block)[None, None]


def documents(document_BL: Tensor) -> Tensor:
    """Each token sees those of its own document: those with its number in `document_BL`."""
    return (document_BL[:, :, None] == document_BL[:, None, :])[:, None]


def real(is_real_BK: Tensor) -> Tensor:
    """Each token sees those that are real, not padding."""
    return is_real_BK[:, None, None, :]


def _behind(queries: int, keys: int, device: torch.device | None) -> Tensor:
    """How far each key lies behind each query, (1, 1, L, K)."""
    query = torch.arange(keys - queries, keys, device=device)
    return (query[:, None] - torch.arange(keys, device=device))[None, None]
