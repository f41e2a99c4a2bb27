"""The nearest matrix with equal singular values, for the updates of `muon`.

Newton-Schulz steps x -> x p(xᵀx) as in Jordan et al. 2024 ("Muon: an optimizer for hidden layers"),
with the best polynomial for each step, multiplied up on the small side of the matrices and on all
of them at once: for matrices four times as wide as high that is a third of the arithmetic.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

NEAR = 0.3  # how far from 1 the singular values of an orthogonalised update may lie
CUSHION = 1.02  # steps take in values so much above their interval, which bfloat16's rounding needs

Polynomial = tuple[float, float, float]  # a, b, c of a s + b s³ + c s⁵


def orthogonalise(matrices: list[Tensor], steps: int) -> list[Tensor]:
    """U Vᵀ of each matrix's U S Vᵀ, roughly, by `steps` quintic Newton-Schulz steps.

    A step x -> x p(xᵀx) multiplies by polynomials of one Gram matrix, which commute; so they are
    multiplied up on the small side, all matrices of one small side in one batch, and applied to x
    once, or as often as rounding demands. See `coefficients` for how near singular values come.
    """
    by_side: dict[int, list[int]] = {}
    for index, matrix in enumerate(matrices):
        by_side.setdefault(min(matrix.shape), []).append(index)
    answers = list(matrices)
    polynomials = coefficients(steps)
    for indices in by_side.values():
        tall = [_for_products(_tall(matrices[index])) for index in indices]
        for done in range(0, steps, most := _most_steps(tall[0].dtype)):
            gram = torch.stack([x.mT @ x for x in tall])
            factors = _newton_schulz(gram, polynomials[done : done + most], bounded=done > 0)
            tall = [x @ factor for x, factor in zip(tall, factors, strict=True)]
        for index, x in zip(indices, tall, strict=True):
            answers[index] = x if x.shape == matrices[index].shape else x.mT
    return answers


@lru_cache
def coefficients(steps: int) -> tuple[Polynomial, ...]:
    """(a, b, c) of each step's a s + b s³ + c s⁵: the best for that number of steps.

    The best polynomial of a step is the one nearest to 1 on the interval that the steps before
    leave, and so step by step (Amsel et al. 2025, arXiv:2505.16932, theorem 3.1). The interval they
    begin with is [low, 1], `low` chosen so that the last one is [1 - NEAR, 1 + NEAR]: more steps
    reach smaller singular values (0.04 of the largest with 2, 0.01 with 3, 0.0005 with 5).
    """
    answer: list[Polynomial] = []
    near = NEAR
    for _ in range(steps):  # from the last to the first: the widest interval it may be given
        wanted, least, most = near, near, 1.0
        for _ in range(50):
            near = 0.5 * (least + most)
            _, error = _nearest_to_one(1 - near, 1 + near)
            least, most = (near, most) if error < wanted else (least, near)
        answer.insert(0, _nearest_to_one(1 - near, 1 + near)[0])
    a, b, c = answer[0]
    high = 1 + near  # the first begins with [low, 1]
    answer[0] = (a * high, b * high**3, c * high**5)
    return tuple((a / CUSHION, b / CUSHION**3, c / CUSHION**5) for a, b, c in answer)


def _nearest_to_one(low: float, high: float) -> tuple[Polynomial, float]:
    """The odd quintic nearest to 1 on [low, high], and its largest distance (Remez's exchange)."""
    points = np.array([low, 0.65 * low + 0.35 * high, 0.2 * low + 0.8 * high, high])
    a = b = c = error = 0.0
    for _ in range(20):
        rows = np.stack([points, points**3, points**5, [1, -1, 1, -1]], axis=1)
        a, b, c, error = (float(x) for x in np.linalg.solve(rows, np.ones(4)))
        root = math.sqrt(9 * b * b - 20 * a * c)
        extremes = sorted(((-3 * b - root) / (10 * c), (-3 * b + root) / (10 * c)))  # s² of each
        points = np.array([low, *np.sqrt(extremes), high])
    return (a, b, c), abs(error)


def _tall(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.mT


def _for_products(matrix: Tensor) -> Tensor:
    """In the dtype that autocast would use, once instead of at every product."""
    kind = matrix.device.type
    wanted = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else matrix.dtype
    return matrix.to(wanted)


def _most_steps(dtype: torch.dtype) -> int:
    """How many steps may be made of one Gram matrix: each multiplies its rounding errors by a²."""
    return 4 if torch.finfo(dtype).eps < 1e-6 else 2


def _newton_schulz(gram: Tensor, polynomials: Sequence[Polynomial], *, bounded: bool) -> Tensor:
    """What takes each x on: (matrices, side, side), from Gram matrices of that shape.

    Singular values must lie below what the first polynomial was made for; `bounded` says that they
    do. Else they are divided not by their root of the sum of squares, as is usual, but of eighth
    powers, which gram² has at hand: a bound too, and nearer to the largest by up to side^(3/8).
    """
    dtype, scale = gram.dtype, torch.ones_like(gram[:, :1, :1])
    if not bounded:  # first by the sum of squares, so that no power underflows
        scale = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None].float() + 1e-14
        gram = (gram / scale).to(dtype)
    square = gram @ gram
    if not bounded:
        largest = torch.linalg.matrix_norm(square.float(), keepdim=True).sqrt().clamp(min=1e-4)
        gram = (gram / largest).to(dtype)
        square, scale = (square / largest.square()).to(dtype), scale * largest
    product = scale.rsqrt().to(dtype)
    factor = gram
    for step, (a, b, c) in enumerate(polynomials):
        if step > 0:
            gram = factor @ gram @ factor
            square = gram @ gram
        factor = (c * square).add_(gram, alpha=b)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = product * factor if step == 0 else product @ factor
    return product
