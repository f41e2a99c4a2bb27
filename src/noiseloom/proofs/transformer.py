"""The transformer: attention by its definition, and what turning by position leaves alone."""

import torch
from torch import Tensor

from noiseloom.proofs import Check
from noiseloom.training.orthogonalisation import NEAR, orthogonalise
from noiseloom.transformer.attention import attend
from noiseloom.transformer.positions import grid, rotary, rotate

CUSHIONED = 0.05  # by which the cushion against rounding widens the interval


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def attention() -> float:
    """The largest difference between the fused attention and softmax(QKᵀ/√D) V written out."""
    q, k, v = _normal(3, 2, 4, 7, 5)
    mask = torch.ones(7, 7, dtype=torch.bool).tril()
    logits = (q @ k.mT / 5**0.5).masked_fill(~mask, -torch.inf)
    return float((attend(q, k, v, mask) - logits.softmax(dim=-1) @ v).abs().max())


def relative_positions() -> float:
    """How much the products of turned queries and keys change when all positions move by 3."""
    q, k = _normal(2, 1, 6, 8)
    products = []
    for shift in (0.0, 3.0):
        rotation = rotary(grid((6,)) + shift, 8).double()
        products.append(rotate(q, rotation) @ rotate(k, rotation).mT)
    return float((products[0] - products[1]).abs().max())


def orthogonal_updates() -> float:
    """The largest distance from 1 of a singular value after orthogonalising, 5 steps."""
    (update,) = orthogonalise([_normal(40, 16).float()], 5)
    return float((torch.linalg.svdvals(update) - 1).abs().max())


CHECKS = (
    Check("attention", "against softmax(QKᵀ/√D) V written out", 0.0, 1e-12, attention),
    Check("rotary positions", "products when all positions move", 0.0, 1e-5, relative_positions),
    Check("muon", "singular values of an update, off 1", 0.0, NEAR + CUSHIONED, orthogonal_updates),
)
