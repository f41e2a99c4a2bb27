"""What a network may learn beside x0: the variance of a step, and the loss to be expected."""

import pytest
import torch
from torch import nn

from noiseloom.diffusion.bound import Chain
from noiseloom.diffusion.denoiser import Denoiser, Statistics
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.objectives import OBJECTIVES, Variational
from noiseloom.diffusion.posterior import variances
from noiseloom.diffusion.process import Target, add_noise
from noiseloom.diffusion.samplers import SAMPLERS
from noiseloom.diffusion.schedules import SCHEDULES, Cosine, RectifiedFlow, Schedule
from noiseloom.diffusion.uncertainty import Uncertainty, weigh
from noiseloom.errors import ConfigError
from noiseloom.runs import Recipe
from noiseloom.seeds import Random

KNOWN = Statistics(torch.tensor(0.0, dtype=torch.float64), 0.8)


class Twice(nn.Module):
    """Answers 0 for x0, and `place` for where the variance is."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(place, dtype=torch.float64))

    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        return torch.cat([torch.zeros_like(x), self.place.expand_as(x)], dim=1)


def learned(place: float, schedule: Schedule) -> Denoiser:
    return Denoiser(Twice(place), schedule, target="x0", statistics=KNOWN, learned_variance=True)


@pytest.mark.parametrize(("place", "which"), [(-1.0, "low"), (1.0, "high")])
def test_ancestral_steps_are_drawn_with_the_variance_that_was_learned(
    place: float, which: str
) -> None:
    schedule = Cosine()
    plan = torch.tensor([0.6, 0.4], dtype=torch.float64)
    x = torch.zeros(40_000, 1, dtype=torch.float64)
    step = next(
        SAMPLERS["ddpm"](learned(place, schedule), x, plan, schedule, Random(0, range(40_000)))
    )
    both = variances(schedule.at(plan[0]), schedule.at(plan[1]), 0.8)
    assert float(both.high / both.low) > 1.3
    assert float(step.x.var()) == pytest.approx(float(getattr(both, which)), rel=0.03)


def test_the_bound_alone_finds_the_variance_of_gaussian_data() -> None:
    """A network that can say nothing of the mean, on data N(0, s²): the best variance is known.

    With x0 = 0 said at every step, x_s - mean is N(0, low + (alpha_s (1 - r) s)²).
    """
    schedule, chain = Cosine(), Chain(Cosine(), 5)
    denoiser = learned(0.0, schedule)
    x0 = 0.8 * torch.tensor([[-1.0], [1.0]], dtype=torch.float64)  # its variance is exact
    t = chain.time(torch.tensor([3, 3]))

    for _ in range(20):  # Newton's steps
        xt = add_noise(schedule, x0, torch.zeros_like(x0), t)
        loss = Variational(steps=5).losses(denoiser(xt, t), x0, x0, t, schedule).mean()
        (first,) = torch.autograd.grad(loss, denoiser.network.place, create_graph=True)
        (second,) = torch.autograd.grad(first, denoiser.network.place)
        with torch.no_grad():
            denoiser.network.place.sub_(first / second)
    at, to = (schedule.at(chain.time(torch.tensor(i))) for i in (3, 2))
    both = variances(at, to, 0.8)
    fall = to.alpha * (1 - (at.alpha * to.sigma / (to.alpha * at.sigma)) ** 2)
    best = (both.low + (fall * 0.8) ** 2).log()
    place = (best - both.low.log()) / (both.high / both.low).log()
    assert (denoiser.network.place.item() + 1) / 2 == pytest.approx(float(place), abs=1e-4)


def test_guidance_keeps_the_variance_of_the_condition() -> None:
    class ByLabel(Twice):
        def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
            return torch.cat([x, condition.to(x)[:, None].expand_as(x)], dim=1)

    denoiser = Denoiser(
        ByLabel(0.0), RectifiedFlow(), target="x0", statistics=KNOWN, learned_variance=True
    )
    guided = ClassifierFree(scale=2.0).wrap(denoiser, torch.tensor([3]), torch.tensor([5]))
    said = guided(torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64))
    assert said.interpolation is not None and said.interpolation.item() == (3 + 1) / 2
    assert said.data_std is not None


def test_a_learned_variance_needs_an_objective_that_looks_at_it() -> None:
    said = "Use objective variational or hybrid"
    with pytest.raises(ConfigError, match=said):
        Recipe.load("digits", ["task.learned_variance=true"])
    Recipe.load("digits", ["task.learned_variance=true", "task.objective=hybrid"])
    assert {name for name, kind in OBJECTIVES.items() if kind.learns_variance} == {
        "variational",
        "hybrid",
    }


# One optimum ------------------------------------------------------------------------------------

TARGETS: tuple[Target, ...] = ("x0", "noise", "velocity", "v", "score")


class Line(nn.Module):
    """Answers a x + b, at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.zeros((), dtype=torch.float64)) for _ in range(2))

    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        return self.a * x + self.b


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_objective_has_its_optimum_at_the_best_denoiser(name: str, target: Target) -> None:
    """On N(m, s²), where it is a line: four points of (x0, noise) have the moments it rests on."""
    schedule = SCHEDULES[name](**({"clip": 1e-3} if name in ("cosine", "rectified-flow") else {}))
    m, s = 0.3, 0.8
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    x0, noise = m + s * signs[:, :1], signs[:, 1:]
    for word, kind in OBJECTIVES.items():
        objective = kind()
        t = objective.visited(torch.full((4,), 0.45, dtype=torch.float64), schedule)
        denoiser = Denoiser(
            Line(),
            schedule,
            target=target,
            statistics=Statistics(torch.tensor(m, dtype=torch.float64), s),
        )
        xt = add_noise(schedule, x0, noise, t)
        at = schedule.at(t, like=xt)
        best = m + at.alpha * s**2 / (at.alpha**2 * s**2 + at.sigma**2) * (xt - at.alpha * m)
        answer = denoiser(xt, t)  # the loss is a parabola of a and b: one Newton step ends at it
        parameters = [denoiser.network.a, denoiser.network.b]
        loss = objective.losses(answer, x0, noise, t, schedule).mean()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        second = torch.stack(
            [torch.stack(torch.autograd.grad(g, parameters, retain_graph=True)) for g in first]
        )
        step = torch.linalg.solve(second, torch.stack(first)).detach()
        with torch.no_grad():
            for parameter, change in zip(parameters, step, strict=True):
                parameter.sub_(change)
            torch.testing.assert_close(denoiser(xt, t).x0, best, rtol=1e-6, atol=1e-7, msg=word)


# Uncertainty ------------------------------------------------------------------------------------


def test_the_gradient_is_scaled_and_the_optimum_is_the_logarithm_of_the_loss() -> None:
    loss = torch.tensor([3.0, 0.2], dtype=torch.float64, requires_grad=True)
    u = torch.tensor([0.4, -1.0], dtype=torch.float64, requires_grad=True)
    weigh(loss, u).sum().backward()
    torch.testing.assert_close(loss.grad, torch.exp(-u.detach()))
    best = loss.detach().log().requires_grad_()
    weigh(loss.detach(), best).sum().backward()
    torch.testing.assert_close(best.grad, torch.zeros_like(loss))
    assert weigh(loss, None) is loss


def test_it_learns_a_loss_that_differs_from_level_to_level() -> None:
    model = Uncertainty()
    level = torch.linspace(-1, 1, 41)
    truth = torch.exp(2 * torch.sin(2 * level) - 1)
    assert model(level).abs().max() == 0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(500):
        optimizer.zero_grad()
        weigh(truth, model(level)).mean().backward()
        optimizer.step()
    torch.testing.assert_close(model(level).exp(), truth, rtol=0.05, atol=0)
    parts = level.reshape(1, 1, 41, 1)  # of one item with a level for each part
    torch.testing.assert_close(model(parts), model(level[-1:]))


def test_a_denoiser_answers_it_and_keeps_it_among_its_weights() -> None:
    schedule = RectifiedFlow()
    denoiser = Denoiser(
        Twice(0.0), schedule, target="x0", statistics=KNOWN, learned_variance=True, uncertainty=True
    )
    x, t = torch.randn(3, 2, dtype=torch.float64), torch.tensor([0.1, 0.5, 0.9])
    said = denoiser(x, t)
    assert said.uncertainty is not None and said.uncertainty.shape == (3,)
    assert "uncertainty.weight" in denoiser.state_dict()
    plain = Denoiser(Line(), schedule, target="x0", statistics=KNOWN)
    assert plain(x, t).uncertainty is None and plain(x, t).interpolation is None
