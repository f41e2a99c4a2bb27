"""What the losses of distillation are lowest for, where that is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.distillation import (
    Consistency,
    Endpoints,
    Lesson,
    Method,
    Passed,
    Reflow,
    energy_distances,
    kept_at_least_noise,
    pseudo_huber,
)
from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.few_steps import renoise
from noiseloom.diffusion.samplers import ddim, plan_times
from noiseloom.diffusion.schedules import EDM, Cosine, RectifiedFlow, Schedule
from noiseloom.seeds import Random

SCHEDULES = [RectifiedFlow(), Cosine(), EDM(sigma_max=20.0)]


def no_push(xt: Tensor, t: Tensor) -> Tensor:
    return torch.zeros_like(xt)


def lesson(x0: Tensor, student: Denoise, data: Gaussian, *, step: int = 0) -> Lesson:
    random = Random(0, range(len(x0)), step, len(x0))
    return Lesson(x0, data.schedule, random, student, data.denoise, no_push)


def taught(noise: Tensor, x0: Tensor, student: Denoise, *, step: int = 0) -> Lesson:
    """A lesson on the straight paths from `noise` to `x0`."""
    random, schedule = Random(0, range(len(x0)), step, len(x0)), RectifiedFlow()
    times = torch.tensor([1.0, 0.5], dtype=torch.float64)
    passed = Passed(torch.stack([noise, (noise + x0) / 2], dim=1), times)
    return Lesson(x0, schedule, random, student, student, no_push, passed)


def path_end(data: Gaussian) -> Denoise:
    """The closed form of what a student is to learn: where the path through xt ends."""

    def student(xt: Tensor, t: Tensor) -> Prediction:
        at, end = data.schedule.at(t, like=xt), torch.tensor(data.schedule.t_min).to(t)
        spread = (at.alpha**2 * data.std**2 + at.sigma**2).sqrt()
        scaled = (xt - at.alpha * data.mean) / spread
        x = data.schedule.alpha(end) * data.mean + data.spread(end) * scaled
        return Prediction(x, "x0", xt, at)

    return student


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_at_the_least_noise_a_student_answers_what_it_is_given(schedule: Schedule) -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([schedule.t_min, schedule.t_min, 0.5, 1.0])
    student = Gaussian(7.0, 0.1, schedule).denoise
    answered = kept_at_least_noise(student, x, t, schedule)
    assert torch.equal(answered[:2], x[:2])
    assert torch.equal(answered[2:], student(x, t).x0[2:])


@pytest.mark.parametrize("slope", ["data", "teacher"])
def test_the_denoiser_of_a_single_point_has_no_loss(slope: str) -> None:
    data = Gaussian(0.3, 0.0, RectifiedFlow())
    x0 = torch.full((32, 5), 0.3)
    losses = Consistency(slope=slope).losses(lesson(x0, data.denoise, data))  # type: ignore[arg-type]
    assert torch.equal(losses, torch.zeros(32))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("slope", ["data", "teacher"])
def test_on_gaussian_data_the_loss_is_lowest_at_the_end_of_the_path(
    schedule: Schedule, slope: str
) -> None:
    """Of all multiples of it: the best one comes to 1 in proportion to the gap."""
    data, num = Gaussian(0.0, 0.5, schedule), 20_000
    x0 = data.sample(num, 1, torch.Generator().manual_seed(0)).float()
    truth = path_end(data)

    def best_multiple(gap: float) -> float:
        method = Consistency(slope=slope, first_gap=gap, last_gap=gap, huber=1e4)  # type: ignore[arg-type]

        def loss(scale: float) -> float:
            def student(xt: Tensor, t: Tensor) -> Prediction:
                said = truth(xt, t)  # the target, made without gradient, stays as it is
                factor = scale if torch.is_grad_enabled() else 1.0
                return Prediction(factor * said.x0, "x0", xt, said.at)

            return float(method.losses(lesson(x0.double(), student, data)).mean())

        below, middle, above = loss(0.9), loss(1.0), loss(1.1)  # a parabola
        return 1 + 0.05 * (below - above) / (below - 2 * middle + above)

    wide, narrow = best_multiple(0.1) - 1, best_multiple(0.05) - 1
    assert abs(narrow) < 0.05
    assert abs(narrow) < 0.7 * abs(wide)


def test_the_gap_is_halved_down_to_the_last() -> None:
    method = Consistency(first_gap=0.5, last_gap=0.1, halve_every=10)
    assert [method.gap(step) for step in (0, 10, 20, 30)] == [0.5, 0.25, 0.125, 0.1]


NOISE = torch.tensor([[1.0, 1.0], [-1.0, 0.5]])
X0 = torch.tensor([[0.5, -1.0], [-1.0, -0.5]])  # the two paths do not cross


def whose_path(xt: Tensor, t: Tensor) -> Prediction:
    """The mean of x0 over the straight paths through xt: of two that do not cross, one end."""
    on_paths = (1 - t[:, None, None]) * X0 + t[:, None, None] * NOISE
    near = (xt[:, None] - on_paths).norm(dim=2).argmin(dim=1)
    return Prediction(X0[near], "x0", xt, RectifiedFlow().at(t, like=xt))


def test_reflow_on_two_pairs_is_lowest_for_straight_paths() -> None:
    assert torch.equal(Reflow().losses(taught(NOISE, X0, whose_path)), torch.zeros(2))

    def bent(xt: Tensor, t: Tensor) -> Prediction:
        said = whose_path(xt, t)
        return Prediction(said.x0 + 0.1 * t[:, None], "x0", xt, said.at)

    assert (Reflow().losses(taught(NOISE, X0, bent)) > 0).all()
    schedule = RectifiedFlow()
    for num_steps in (1, 2, 8):
        plan = plan_times(schedule, num_steps)
        for step in ddim(whose_path, NOISE, plan, schedule, Random(0, range(2))):
            straight = (1 - step.t) * X0 + step.t * NOISE
            torch.testing.assert_close(step.x, straight, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", [Reflow(), Endpoints()])
def test_whoever_knows_where_paths_end_has_no_loss(method: Method) -> None:
    noise, x0 = torch.randn(2, 16, 3, generator=torch.Generator().manual_seed(1))

    def knows(xt: Tensor, t: Tensor) -> Prediction:
        return Prediction(x0, "x0", xt, RectifiedFlow().at(t, like=xt))

    assert torch.equal(method.losses(taught(noise, x0, knows)), torch.zeros(16))


@pytest.mark.parametrize("along", ["path", "line"])
def test_endpoints_are_asked_of_points_at_their_own_times(along: str) -> None:
    noise, x0 = torch.randn(2, 400, 3, generator=torch.Generator().manual_seed(1))
    asked: list[tuple[Tensor, Tensor]] = []

    def student(xt: Tensor, t: Tensor) -> Prediction:
        asked.append((xt, t))
        return Prediction(x0, "x0", xt, RectifiedFlow().at(t, like=xt))

    straight = taught(noise, x0, student)
    assert straight.passed is not None
    bend = torch.tensor([0.0, 0.3])[:, None]  # paths begin where lines do
    bent = Passed(straight.passed.points + bend, straight.passed.times)
    Endpoints(starts=0.5, along=along).losses(replace(straight, passed=bent))  # type: ignore[arg-type]
    ((xt, t),) = asked
    at_half = (t == 0.5)[:, None]
    middle = (noise + x0) / 2 + (0.3 if along == "path" else 0.0)
    torch.testing.assert_close(xt, torch.where(at_half, middle, noise))
    assert abs(float(at_half.float().mean()) - 0.25) < 0.07


@pytest.mark.parametrize("num_steps", [1, 2, 4])
def test_what_ends_every_path_draws_the_data_in_any_number_of_calls(num_steps: int) -> None:
    data, num = Gaussian(0.4, 0.5, RectifiedFlow()), 40_000
    called = []

    def student(xt: Tensor, t: Tensor) -> Prediction:
        called.append(float(t[0]))
        return path_end(data)(xt, t)

    random, plan = Random(0, range(num)), plan_times(data.schedule, num_steps)
    *_, last = renoise(student, random.normal("start", (1,)), plan, data.schedule, random)
    assert called == pytest.approx(plan[:-1].tolist())
    assert last.t == 0 and torch.equal(last.x, last.x0)
    standard_error = 0.5 / num**0.5
    assert abs(float(last.x0.mean()) - 0.4) < 4 * standard_error
    assert abs(float(last.x0.std()) - 0.5) < 4 * standard_error / 2**0.5


def test_pseudo_huber_is_the_length_far_out_and_its_square_near_0() -> None:
    error = torch.tensor([[3.0, 4.0], [0.0, 0.0], [3e-4, 4e-4]], dtype=torch.float64)
    far, none, near = pseudo_huber(error, 0.01)
    b = 0.01 * 2**0.5
    assert float(far) == pytest.approx(5 - b, abs=2e-5)
    assert float(none) == 0
    assert float(near) == pytest.approx(25e-8 / (2 * b), rel=1e-3)


def test_the_energy_distance_of_two_points_each() -> None:
    made, real = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    # 2 E|x - y| = 2, E|x - x'| = (0 + 2 + 2 + 0) / 4 = 1, E|y - y'| = 0
    assert float(energy_distances(made, real).mean()) == pytest.approx(1.0)
    assert torch.equal(energy_distances(made, made), torch.zeros(2))
