from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Denoiser, Prediction, Statistics
from noiseloom.diffusion.objectives import EDMLoss, MinSNR, Objective, Simple, VelocityLoss
from noiseloom.diffusion.process import READ, Target, add_noise
from noiseloom.diffusion.schedules import EDM, SCHEDULES, RectifiedFlow, Schedule

TARGETS: tuple[Target, ...] = get_args(Target)
S, M = 0.7, 0.3  # of the data


class Zero(nn.Module):
    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        return torch.zeros_like(x)


def untrained(schedule: Schedule) -> Denoiser:
    statistics = Statistics(torch.tensor(M, dtype=torch.float64), S)
    return Denoiser(Zero(), schedule, target="x0", preconditioning="edm", statistics=statistics)


def loss_of(
    objective: Objective, denoiser: Denoiser, x0: Tensor, noise: Tensor, t: Tensor
) -> Tensor:
    prediction = denoiser(add_noise(denoiser.schedule, x0, noise, t), t)
    return objective.losses(prediction, x0, noise, t, denoiser.schedule)


def answering(target: Target, x0: Tensor, xt: Tensor, t: Tensor, schedule: Schedule) -> Prediction:
    """A prediction that believes in `x0`, in terms of `target`."""
    at = schedule.at(t, like=xt)
    noise = (xt - at.alpha * x0) / at.sigma
    std = torch.tensor(S, dtype=torch.float64)
    return Prediction(READ[target](x0, noise, at), target, xt, at, std)


def draw(num: int, size: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    three = torch.randn(3, num, size, generator=generator, dtype=torch.float64)
    return M + S * three[0], three[1], three[2]


@pytest.mark.parametrize("name", SCHEDULES)
def test_edm_loss_of_an_untrained_denoiser_is_one_at_every_time(name: str) -> None:
    """Its error is a (x0 - m)/s + b noise, so its expected square, a² + b², is the loss at two
    points; on data ~ N(m, s²) it is 1 in closed form."""
    schedule = SCHEDULES[name]()
    denoiser = untrained(schedule)
    t = torch.linspace(0.02, 0.99, 98, dtype=torch.float64)
    mean, zero, one = torch.full((98, 1), M), torch.zeros(98, 1), torch.ones(98, 1)
    expected = loss_of(EDMLoss(), denoiser, (mean + S).double(), zero.double(), t)
    expected = expected + loss_of(EDMLoss(), denoiser, mean.double(), one.double(), t)
    torch.testing.assert_close(expected, torch.ones(98, dtype=torch.float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_edm_loss_of_drawn_data_is_one(name: str) -> None:
    """300,000 numbers with a square of variance 2 about 1: the standard error is 0.0026."""
    x0, noise, _ = draw(100_000)
    for time in (0.1, 0.5, 0.9):
        t = torch.full((len(x0),), time, dtype=torch.float64)
        loss = loss_of(EDMLoss(), untrained(SCHEDULES[name]()), x0, noise, t).mean()
        assert float(loss) == pytest.approx(1, abs=4 * 0.0026)


def test_edm_weight_is_that_of_the_paper() -> None:
    x0, noise, wrong = draw(50)
    t = torch.linspace(0, 1, 50, dtype=torch.float64)
    schedule = EDM()
    prediction = answering("x0", wrong, add_noise(schedule, x0, noise, t), t, schedule)
    sigma = schedule.sigma(t)
    weight = (sigma**2 + S**2) / (sigma * S) ** 2
    losses = EDMLoss(sigma_floor=1e-3).losses(prediction, x0, noise, t, schedule)
    torch.testing.assert_close(losses, weight * (wrong - x0).square().mean(1))


@pytest.mark.parametrize("name", SCHEDULES)
def test_min_snr_is_the_loss_of_the_noise_below_gamma_and_of_x0_above(name: str) -> None:
    schedule = SCHEDULES[name]()
    x0, noise, wrong = draw(60)
    t = torch.linspace(0.05, 0.95, 60, dtype=torch.float64)
    prediction = answering("noise", wrong, add_noise(schedule, x0, noise, t), t, schedule)
    losses = MinSNR(gamma=5.0).losses(prediction, x0, noise, t, schedule)
    simple = Simple().losses(prediction, x0, noise, t, schedule)  # of the noise
    below = schedule.log_snr(t).exp() < 5
    assert 0 < below.sum() < 60
    torch.testing.assert_close(losses[below], simple[below])
    torch.testing.assert_close(losses[~below], 5 * (wrong - x0)[~below].square().mean(1))
    ratio = (5 / schedule.log_snr(t).exp())[~below]
    torch.testing.assert_close(losses[~below], ratio * simple[~below])


@pytest.mark.parametrize("objective", [MinSNR(), EDMLoss(), VelocityLoss()], ids=repr)
@pytest.mark.parametrize("name", SCHEDULES)
def test_one_error_costs_the_same_whatever_the_target(name: str, objective: Objective) -> None:
    schedule = SCHEDULES[name]()
    x0, noise, wrong = draw(40)
    t = torch.linspace(0.05, 0.95, 40, dtype=torch.float64)
    xt = add_noise(schedule, x0, noise, t)
    costs = [
        objective.losses(answering(target, wrong, xt, t, schedule), x0, noise, t, schedule)
        for target in TARGETS
    ]
    for cost in costs[1:]:
        torch.testing.assert_close(cost, costs[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("objective", [MinSNR(), EDMLoss()], ids=repr)
def test_both_ends_of_a_range_have_a_finite_loss_and_gradient(objective: Objective) -> None:
    denoiser = Denoiser(
        nn.Identity(),
        RectifiedFlow(),
        target="x0",
        statistics=Statistics(torch.tensor(0.0), 1.0),
    )
    denoiser.network = Scaled()
    x0, noise = torch.ones(2, 3), -torch.ones(2, 3)
    t = torch.tensor([0.0, 1.0])  # no noise at all, nothing but noise
    losses = loss_of(objective, denoiser, x0, noise, t)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert denoiser.network.factor.grad.isfinite()


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.5))

    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        return self.factor * x


@pytest.mark.parametrize("objective", [MinSNR(), EDMLoss()], ids=repr)
def test_parts_with_times_of_their_own_are_weighted_by_them(objective: Objective) -> None:
    schedule, parts = RectifiedFlow(), torch.tensor([[0.3, 0.8]], dtype=torch.float64)

    def loss(x0: Tensor, noise: Tensor, wrong: Tensor, t: Tensor) -> Tensor:
        xt = add_noise(schedule, x0, noise, t)
        prediction = answering("x0", wrong, xt, t, schedule)
        return objective.losses(prediction, x0, noise, t, schedule)

    whole = draw(1, 2)
    alone = [loss(*(x[:, [i]] for x in whole), parts[0, [i]]) for i in (0, 1)]
    torch.testing.assert_close(loss(*whole, parts), (alone[0] + alone[1]) / 2)


def test_the_edm_loss_needs_to_know_the_data() -> None:
    x = torch.zeros(1, 1)
    prediction = Prediction(x, "x0", x, EDM().at(torch.tensor(0.5)))
    with pytest.raises(ValueError, match="prediction of a Denoiser"):
        EDMLoss().losses(prediction, x, x, torch.tensor(0.5), EDM())


@pytest.mark.parametrize("wrong", [lambda: MinSNR(gamma=0), lambda: EDMLoss(sigma_floor=0)])
def test_impossible_settings_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="allowed is above 0"):
        wrong()
