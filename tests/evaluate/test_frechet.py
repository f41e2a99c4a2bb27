import math

import pytest
import torch

from noiseloom.evaluate.frechet import FrechetDistance, Moments, moments


def normal(n, dimension, seed, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(n, dimension, generator=generator, dtype=torch.float64)


def test_diagonal_gaussians_in_closed_form():
    one = Moments(
        torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([1.0, 4.0, 9.0]).diag().double()
    )
    other = Moments(
        torch.tensor([1.0, 1.0, 0.0]).double(), torch.tensor([4.0, 1.0, 0.0]).diag().double()
    )
    # |m|² = 1 + 0 + 4, and (sqrt a - sqrt b)² along each axis: 1 + 1 + 9
    assert float(FrechetDistance(one)(other)) == pytest.approx(5 + 11, abs=1e-9)
    assert float(FrechetDistance(other)(one)) == pytest.approx(5 + 11, abs=1e-9)


def test_turned_gaussians_by_the_matrix_root():
    linalg = pytest.importorskip("scipy.linalg")
    a, b = normal(500, 6, 1) @ normal(6, 6, 2), normal(400, 6, 3) @ normal(6, 6, 4) + 1
    one, other = moments(a), moments(b)
    root = linalg.sqrtm((one.covariance @ other.covariance).numpy()).real
    expected = (
        (one.mean - other.mean).square().sum()
        + one.covariance.trace()
        + other.covariance.trace()
        - 2 * torch.from_numpy(root).trace()
    )
    assert FrechetDistance(one).of(b) == pytest.approx(float(expected), rel=1e-9)


def test_moments_are_the_sample_s():
    x = normal(50, 4, 1)
    assert torch.allclose(moments(x).covariance, torch.cov(x.T))
    assert torch.allclose(moments(x).mean, x.mean(dim=0))


def test_a_set_is_at_no_distance_from_itself():
    x = normal(40, 60, 1)  # fewer than dimensions: a singular covariance
    assert FrechetDistance(moments(x)).of(x) == pytest.approx(0, abs=1e-9)


def test_bias_is_as_one_over_n_and_extrapolates_away():
    distance = FrechetDistance(Moments(torch.zeros(8).double(), torch.eye(8).double()))
    at = {
        n: sum(distance.of(normal(n, 8, seed)) for seed in range(30)) / 30 for n in (100, 200, 400)
    }
    assert at[100] / at[200] == pytest.approx(2, rel=0.15)
    assert at[200] / at[400] == pytest.approx(2, rel=0.15)
    generator = torch.Generator().manual_seed(0)
    extrapolated = [distance.extrapolated(normal(200, 8, seed), generator) for seed in range(20)]
    assert abs(sum(extrapolated) / 20) < 0.1 * at[200]


def test_interval_covers_the_expected_distance():
    distance = FrechetDistance(Moments(torch.zeros(3).double(), torch.eye(3).double()))

    def draw(seed):
        return normal(150, 3, seed, shift=0.5)

    expected = sum(distance.of(draw(seed)) for seed in range(400)) / 400
    generator = torch.Generator().manual_seed(0)
    inside = 0
    for seed in range(1000, 1060):
        low, high = distance.interval(draw(seed), 80, generator)
        inside += low <= expected <= high
    assert inside >= 60 * 0.85


def test_weighted_moments_equal_repeating():
    x = normal(30, 5, 1)
    distance = FrechetDistance(moments(normal(60, 5, 2)))
    generator = torch.Generator().manual_seed(3)
    low, high = distance.interval(x, 50, generator)
    drawn = torch.randint(30, (50, 30), generator=torch.Generator().manual_seed(3))
    direct = torch.tensor([distance.of(x[row]) for row in drawn]).double()
    shift = distance.of(x) - float(direct.mean())
    assert low == pytest.approx(float(direct.quantile(0.025)) + shift)
    assert high == pytest.approx(float(direct.quantile(0.975)) + shift)


def test_agrees_with_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid")
    real, fake = normal(300, 8, 1), normal(300, 8, 2, shift=0.3, scale=1.2)
    metric = fid.FrechetInceptionDistance(feature=torch.nn.Flatten(), input_img_size=(1, 1, 8))
    metric.set_dtype(torch.float64)
    metric.update(real.reshape(-1, 1, 1, 8), real=True)
    metric.update(fake.reshape(-1, 1, 1, 8), real=False)
    assert math.isclose(
        FrechetDistance(moments(real)).of(fake), float(metric.compute()), rel_tol=1e-4
    )
