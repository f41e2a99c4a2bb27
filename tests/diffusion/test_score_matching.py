"""Sliced score matching: its optimum, its value there, and what Langevin's walk draws."""

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.exact import Mixture
from noiseloom.diffusion.schedules import RectifiedFlow
from noiseloom.diffusion.score_matching import MOST_FRAMES, langevin, sliced_score_matching
from noiseloom.seeds import Random

M = torch.tensor([0.3, -0.5], dtype=torch.float64)
C = torch.tensor([[1.2, 0.5], [0.5, 0.7]], dtype=torch.float64)


def moments() -> Tensor:
    """Four points with the mean M and the covariance C: all that the objective of a line sees."""
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    return M + signs @ torch.linalg.cholesky(C).mT


def every_sign(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each point with each of the four sign directions, whose covariance is 1 exactly."""
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    return x.repeat_interleave(4, dim=0), signs.repeat(len(x), 1)


def test_the_optimum_on_a_gaussian_is_its_score() -> None:
    """Of all lines A x + b; the objective is a parabola of them, so one Newton step ends at it."""
    x, signs = every_sign(moments())
    flat = torch.zeros(6, dtype=torch.float64, requires_grad=True)

    def objective(parameters: Tensor) -> Tensor:
        matrix, shift = parameters[:4].reshape(2, 2), parameters[4:]
        return sliced_score_matching(lambda at: at @ matrix.mT + shift, x, signs).mean()

    (gradient,) = torch.autograd.grad(objective(flat), flat, create_graph=True)
    hessian = torch.stack([torch.autograd.grad(g, flat, retain_graph=True)[0] for g in gradient])
    best = -torch.linalg.solve(hessian, gradient.detach())
    precision = torch.linalg.inv(C)
    torch.testing.assert_close(best[:4].reshape(2, 2), -precision)
    torch.testing.assert_close(best[4:], precision @ M)
    # and its value there is minus half the mean square of the score, tr(precision)
    assert objective(best).item() == pytest.approx(-0.5 * float(precision.trace()))


def test_it_is_the_squared_distance_from_the_score_up_to_a_constant() -> None:
    """On a mixture: that of a wrong score less that of the right one is half their distance."""
    data = Mixture(
        torch.tensor([[-0.8, 0.2], [0.9, -0.4]], dtype=torch.float64),
        torch.tensor([0.5, 0.7], dtype=torch.float64),
        torch.tensor([0.4, 0.6], dtype=torch.float64),
        RectifiedFlow(),
    )

    def right(x: Tensor) -> Tensor:
        t = torch.full((len(x),), 0.0, dtype=torch.float64)
        density = data.log_density(x, t)
        return torch.autograd.grad(density.sum(), x, create_graph=True)[0]

    def wrong(x: Tensor) -> Tensor:
        return right(x) + torch.stack([torch.sin(2 * x[:, 1]), 0.5 * x[:, 0]], dim=1)

    points = data.sample(20_000, torch.Generator().manual_seed(0))
    x, signs = every_sign(points)
    gap = sliced_score_matching(wrong, x, signs) - sliced_score_matching(right, x, signs)
    gap = gap.reshape(-1, 4).mean(dim=1).detach()
    away = torch.stack([torch.sin(2 * points[:, 1]), 0.5 * points[:, 0]], dim=1)
    difference = gap - 0.5 * away.square().sum(dim=1)
    error = float(difference.std()) / len(points) ** 0.5
    assert float(difference.mean()) == pytest.approx(0, abs=4 * error)
    assert error < 0.02


def test_the_walk_ends_in_the_distribution_of_its_score() -> None:
    """Of N(M, C), with the known widening of a step h: on each axis by 1 / (1 - h p / 4)."""
    precision, h, num = torch.linalg.inv(C), 0.05, 20_000
    random = Random(0, range(num))
    x = random.normal("start", (2,)).double()
    *_, last = langevin(lambda at: (M - at) @ precision, x, steps=300, step_size=h, random=random)
    wide = torch.linalg.inv(precision @ (torch.eye(2) - h / 4 * precision))
    torch.testing.assert_close(last.x.mean(dim=0), M, rtol=0, atol=4 * (1.3 / num) ** 0.5)
    torch.testing.assert_close(last.x.mT.cov(), wide, rtol=0, atol=0.05)


@pytest.mark.parametrize("steps", [1, 39, 40, 41, 400])
def test_few_frames_are_shown_and_the_last_move_is_among_them(steps: int) -> None:
    random = Random(0, range(3))
    shown = list(
        langevin(lambda x: -x, torch.zeros(3, 2), steps=steps, step_size=0.01, random=random)
    )
    assert 1 <= len(shown) <= MOST_FRAMES
    assert shown[-1].index == steps - 1 and shown[-1].t == 0
    assert all(not step.x.requires_grad for step in shown)
