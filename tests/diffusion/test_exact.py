"""Closed forms against each other and against the definitions they come from."""

import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.exact import Gaussian, Mixture, finite
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, RectifiedFlow, Schedule


def mixture(schedule: Schedule) -> Mixture:
    means = torch.tensor([[-1.0, 0.5], [0.8, -0.4], [0.1, 1.2]], dtype=torch.float64)
    stds = torch.tensor([0.3, 0.2, 0.5], dtype=torch.float64)
    return Mixture(means, stds, torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), schedule)


def points(num: int = 6) -> Tensor:
    return torch.randn(num, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("schedule", [cls() for cls in SCHEDULES.values()], ids=list(SCHEDULES))
@pytest.mark.parametrize("make", [mixture, lambda schedule: Gaussian(0.3, 0.5, schedule)])
def test_the_score_is_the_gradient_of_the_log_density(make, schedule: Schedule) -> None:
    data = make(schedule)
    x = points().requires_grad_()
    t = torch.linspace(0.1, 0.9, 6, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(data.log_density(x, t).sum(), x)
    torch.testing.assert_close(data.denoise(x, t).score, gradient, rtol=1e-9, atol=1e-9)


def test_the_density_of_a_mixture_is_a_density() -> None:
    data = mixture(Cosine())
    axis = torch.linspace(-6, 6, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    for t in (0.0, 0.3, 1.0):
        density = data.log_density(grid, torch.tensor(t, dtype=torch.float64)).exp()
        assert float(density.sum() * 0.04**2) == pytest.approx(1, abs=1e-6)


def test_one_component_is_a_gaussian() -> None:
    schedule, x = RectifiedFlow(), points()
    alone = Mixture(torch.full((1, 2), 0.3), torch.tensor([0.5]), torch.ones(1), schedule)
    known = Gaussian(0.3, 0.5, schedule)
    t = torch.linspace(0.0, 1.0, 6, dtype=torch.float64)
    # the mean 0.3 of `alone` is float32's
    torch.testing.assert_close(alone.denoise(x, t).x0, known.denoise(x, t).x0, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        alone.log_density(x, t), known.log_density(x, t), rtol=1e-6, atol=1e-6
    )


def test_samples_have_the_moments_of_the_mixture() -> None:
    data = mixture(Cosine())
    drawn = data.sample(200_000, torch.Generator().manual_seed(0))
    mean = data.weights @ data.means
    second = data.weights @ (data.means**2 + data.stds[:, None] ** 2)
    torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=0.01)
    torch.testing.assert_close((drawn**2).mean(0), second, rtol=0, atol=0.02)


def test_the_best_denoiser_of_finite_data_is_the_posterior_mean() -> None:
    """Against the sum over items written out, for items with three axes and a time each."""
    items = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    xt = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([0.2, 0.5, 0.8])
    x0 = finite(items, Cosine()).denoise(xt, t).x0
    for row, time in enumerate(t):
        alpha, sigma = Cosine().alpha(time), Cosine().sigma(time)
        weight = torch.stack(
            [torch.exp(-((xt[row] - alpha * item) ** 2).sum() / (2 * sigma**2)) for item in items]
        )
        mean = sum(w * item for w, item in zip(weight / weight.sum(), items, strict=True))
        torch.testing.assert_close(x0[row], mean, rtol=1e-5, atol=1e-6)


def test_finite_data_without_noise_is_its_own_item() -> None:
    items = points(4)
    x0 = finite(items, RectifiedFlow()).denoise(items + 1e-9, torch.tensor(0.0).double()).x0
    torch.testing.assert_close(x0, items)


def test_the_path_keeps_the_share_of_each_point() -> None:
    """The probability-flow ODE of a Gaussian moves every quantile to the same quantile."""
    data = Gaussian(0.3, 0.5, EDM())
    start, end = (torch.tensor(t, dtype=torch.float64) for t in (1.0, 0.4))
    z = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    moved = data.path(0.3 + data.spread(start) * z, start, end)
    torch.testing.assert_close(moved, 0.3 + data.spread(end) * z)
    assert float(data.spread(end)) == pytest.approx(math.hypot(0.5, float(EDM().sigma(end))))


@pytest.mark.parametrize(
    ("means", "stds", "weights"),
    [
        (torch.zeros(2, 1), torch.ones(3), torch.ones(2) / 2),
        (torch.zeros(2, 1), torch.tensor([1.0, -1.0]), torch.ones(2) / 2),
        (torch.zeros(2, 1), torch.ones(2), torch.ones(2)),
    ],
)
def test_parts_that_do_not_fit_are_refused(means: Tensor, stds: Tensor, weights: Tensor) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Mixture(means, stds, weights, Cosine())
