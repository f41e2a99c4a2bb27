import math

import pytest
import torch

from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, RectifiedFlow, Schedule
from noiseloom.seeds import Random

ORDER = {"ddim": 1, "euler": 1, "heun": 2, "dpm++2m": 2}
STOCHASTIC = {"ddpm"}


def last_x0(name: str, data: Gaussian, x: torch.Tensor, num_steps: int) -> torch.Tensor:
    plan = plan_times(data.schedule, num_steps)
    random = Random(0, range(len(x)))
    *_, last = SAMPLERS[name](data.denoise, x, plan, data.schedule, random)
    return last.x0


def start_of(data: Gaussian, num: int) -> torch.Tensor:
    t_max = torch.tensor(data.schedule.t_max, dtype=torch.float64)
    mean = data.schedule.alpha(t_max) * data.mean
    noise = torch.randn(num, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return mean + data.spread(t_max) * noise


def test_every_sampler_has_a_stated_order() -> None:
    assert set(SAMPLERS) == set(ORDER) | STOCHASTIC


@pytest.mark.parametrize("schedule", [Cosine(), RectifiedFlow(), EDM(sigma_min=1e-5)], ids=repr)
@pytest.mark.parametrize("name", sorted(ORDER.keys() - {"dpm++2m"}))
def test_order_of_convergence_on_a_gaussian(name: str, schedule: Schedule) -> None:
    data = Gaussian(0.3, 0.5, schedule)
    x = start_of(data, 16)
    # The times are numbers of float64; the clean end is t_min, where the noise left is negligible.
    t_max, t_min = (torch.tensor(t, dtype=torch.float64) for t in (schedule.t_max, schedule.t_min))
    truth = data.path(x, t_max, t_min)
    errors = [float((last_x0(name, data, x, n) - truth).abs().mean()) for n in (80, 160)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDER[name], abs=0.15)


@pytest.mark.parametrize("schedule", [Cosine(), RectifiedFlow(), EDM()], ids=repr)
def test_order_of_convergence_along_the_log_snr(schedule: Schedule) -> None:
    """dpm++2m extrapolates along it: even steps in t, whose log-SNR has no end, cost it a log n."""
    data = Gaussian(0.3, 0.5, schedule)
    x, errors = start_of(data, 16), []
    for num_steps in (40, 80):
        log_snr = torch.linspace(-6, 8, num_steps + 1, dtype=torch.float64)
        plan = schedule.t_of_log_snr(log_snr)
        *_, last = SAMPLERS["dpm++2m"](data.denoise, x, plan, schedule, Random(0, range(len(x))))
        errors.append(float((last.x - data.path(x, plan[0], plan[-1])).abs().mean()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDER["dpm++2m"], abs=0.15)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_recovers_a_gaussian(sampler: str, name: str) -> None:
    schedule = SCHEDULES[name]()
    data = Gaussian(0.3, 0.5, schedule)
    num_steps = 2000 if sampler == "euler" else 200  # t is no natural clock of EDM
    x0 = last_x0(sampler, data, start_of(data, 4000), num_steps)
    # 8,000 numbers: standard error 0.006 of the mean, 0.004 of the deviation
    assert float(x0.mean()) == pytest.approx(0.3, abs=0.025)
    assert float(x0.std()) == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize("name", sorted(STOCHASTIC))
def test_weak_order_on_a_gaussian(name: str) -> None:
    """On a Gaussian about 0 a step is x -> a x + b z: the variance it ends with needs no draws."""
    data = Gaussian(0.0, 0.5, Cosine())
    errors = []
    for num_steps in (80, 160):
        variance = 1.0
        for plan in plan_times(data.schedule, num_steps).unfold(0, 2, 1):
            x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
            random = Random(0, [0, 0])  # both get the same z
            step = next(SAMPLERS[name](data.denoise, x, plan, data.schedule, random))
            z = random.at(0).normal_like("ancestral", x)[0]
            a, b = step.x[1] - step.x[0], step.x[0] / z
            variance = float(a**2 * variance + b**2)
        errors.append(abs(math.sqrt(variance) - 0.5))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.1)


def test_ancestral_steps_have_the_posterior_variance() -> None:
    schedule = Cosine()
    data = Gaussian(0.0, 1.0, schedule)
    plan = torch.tensor([0.6, 0.4, 0.2], dtype=torch.float64)
    x = torch.full((20000, 1), 0.8, dtype=torch.float64)
    step = next(SAMPLERS["ddpm"](data.denoise, x, plan, schedule, Random(0, range(len(x)))))
    at, to = schedule.at(plan[0]), schedule.at(plan[1])
    ratio = at.alpha / to.alpha
    variance = (at.sigma**2 - ratio**2 * to.sigma**2) * to.sigma**2 / at.sigma**2
    x0 = data.denoise(x[:1], plan[:1]).x0[0]
    mean = (ratio * to.sigma**2 * 0.8 + to.alpha * (at.sigma**2 - ratio**2 * to.sigma**2) * x0) / (
        at.sigma**2
    )
    assert float(step.x.var()) == pytest.approx(float(variance), rel=0.03)
    assert float(step.x.mean()) == pytest.approx(float(mean), abs=0.01)


def test_euler_is_ddim_on_straight_paths() -> None:
    data = Gaussian(0.3, 0.5, RectifiedFlow())
    x = start_of(data, 4)
    torch.testing.assert_close(last_x0("euler", data, x, 7), last_x0("ddim", data, x, 7))


def test_times_fall_from_one_end_to_the_other() -> None:
    for name, cls in SCHEDULES.items():
        schedule = cls()
        plan = plan_times(schedule, 5)
        assert plan[0] == schedule.t_max and plan[-1] == schedule.t_min, name
        assert (plan.diff() < 0).all() and len(plan) == 6
    shifted = plan_times(RectifiedFlow(), 2, shift=3.0)
    assert shifted.tolist() == [1.0, 0.75, 0.0]
    with pytest.raises(ValueError, match="at least 1"):
        plan_times(RectifiedFlow(), 0)


def test_no_grad_does_not_leak_into_the_consumer() -> None:
    data = Gaussian(0.3, 0.5, RectifiedFlow())
    plan = plan_times(data.schedule, 3)
    for name in SAMPLERS:
        for step in SAMPLERS[name](
            data.denoise, torch.randn(2, 2), plan, data.schedule, Random(0, range(2))
        ):
            assert torch.is_grad_enabled()
            assert not step.x0.requires_grad
