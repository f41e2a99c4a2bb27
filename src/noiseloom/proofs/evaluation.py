"""Evaluation: distances whose value, or whose bias, is known."""

import torch
from torch import Tensor

from noiseloom.evaluate.frechet import FrechetDistance, Moments, moments
from noiseloom.evaluate.kernel import KernelDistance
from noiseloom.proofs import Check

DIMENSION = 8


def _normal(num: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, DIMENSION, generator=generator, dtype=torch.float64)


def known_gaussians() -> float:
    """Between N(0, diag(1, 4, 9)) and N((1, 0, 2), diag(4, 1, 1)): 5 + 1 + 1 + 4."""
    one = Moments(torch.zeros(3).double(), torch.tensor([1.0, 4.0, 9.0]).diag().double())
    mean = torch.tensor([1.0, 0.0, 2.0]).double()
    other = Moments(mean, torch.tensor([4.0, 1.0, 1.0]).diag().double())
    return float(FrechetDistance(one)(other))


def bias_ratio() -> float:
    """The mean distance of 100 true samples over that of 400."""
    truth = Moments(torch.zeros(DIMENSION).double(), torch.eye(DIMENSION).double())
    distance = FrechetDistance(truth)
    means = [sum(distance.of(_normal(num, seed)) for seed in range(60)) / 60 for num in (100, 400)]
    return means[0] / means[1]


def kernel_is_unbiased() -> float:
    """The mean kernel distance of 100 samples to 100 others of the same distribution."""
    values = [
        KernelDistance.against(_normal(100, seed)).of(_normal(100, 1000 + seed))
        for seed in range(60)
    ]
    return sum(values) / len(values)


def turned() -> float:
    """How much the distance changes where both sets are turned and moved alike."""
    a, b = _normal(300, 1), 1.5 * _normal(300, 2) + 0.3
    turn = torch.linalg.qr(_normal(DIMENSION, 3)).Q
    plain = FrechetDistance(moments(a)).of(b)
    return FrechetDistance(moments(a @ turn + 2)).of(b @ turn + 2) - plain


CHECKS = (
    Check("Fréchet: Gaussians", "distance of two known Gaussians", 11.0, 1e-9, known_gaussians),
    Check("Fréchet: turned", "change when both sets are turned and moved", 0.0, 1e-9, turned),
    Check("Fréchet: bias", "of n = 100 over n = 400: it is as 1/n", 4.0, 0.5, bias_ratio),
    Check(
        "kernel distance", "mean for equal distributions: no bias", 0.0, 0.05, kernel_is_unbiased
    ),
)
