import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.exact import Gaussian, Mixture
from noiseloom.diffusion.orders import ORDERS
from noiseloom.diffusion.samplers import SAMPLERS, Step, Tolerance, plan_times
from noiseloom.diffusion.samplers.multistep import integral_weights
from noiseloom.diffusion.sampling import ADAPTIVE, Counted
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, RectifiedFlow, Schedule
from noiseloom.diffusion.spacings import SPACINGS
from noiseloom.errors import InputError, MachineError
from noiseloom.seeds import Random

TOLERANCES = {  # an SDE's steps are shorter: its error is of lower order
    "adaptive": Tolerance(relative=1e-3, absolute=1e-3),
    "adaptive-sde": Tolerance(relative=0.03, absolute=0.015),
}
FOLLOW_THE_FLOW = ("ddim", "euler", "heun", "dpm++2m", "dpm++3m", "unipc", "adaptive")
CALLS = {"heun": 2, "edm": 2, "predictor-corrector": 2}  # a step, less one where no noise is left


def plan_for(name: str, times: Tensor) -> Tensor | Tolerance:
    return TOLERANCES.get(name, times)


def last_step(name: str, data: Gaussian | Mixture, x: Tensor, times: Tensor) -> Step:
    random = Random(0, range(len(x)))
    plan = plan_for(name, times)
    *_, last = SAMPLERS[name](data.denoise, x, plan, data.schedule, random)
    return last


def start_of(data: Gaussian, num: int) -> Tensor:
    t_max = torch.tensor(data.schedule.t_max, dtype=torch.float64)
    mean = data.schedule.alpha(t_max) * data.mean
    noise = torch.randn(num, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return mean + data.spread(t_max) * noise


# adaptive-sde takes the same way on every schedule, and long: two of them are enough
@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        (sampler, name)
        for sampler in SAMPLERS
        for name in (SCHEDULES if sampler != "adaptive-sde" else ("cosine", "edm"))
    ],
)
def test_every_sampler_recovers_a_gaussian(sampler: str, name: str) -> None:
    schedule = SCHEDULES[name]()
    data = Gaussian(0.3, 0.5, schedule)
    num_steps = {"ddpm": 250, "predictor-corrector": 150, "euler": 100, "ddim": 100}.get(
        sampler, 50
    )
    if (sampler, name) == ("euler", "edm"):
        num_steps = 1000  # t is no natural clock of EDM
    spacing = "uniform" if sampler == "euler" else "log-snr"
    last = last_step(sampler, data, start_of(data, 2000), SPACINGS[spacing](schedule, num_steps))
    # 4,000 numbers: standard error 0.008 of the mean, 0.006 of the deviation
    assert float(last.x0.mean()) == pytest.approx(0.3, abs=0.025)
    assert float(last.x0.std()) == pytest.approx(0.5, abs=0.025)


def mixture(schedule: Schedule) -> Mixture:
    means = torch.tensor([[-1.0, 0.5], [0.8, -0.4], [0.1, 1.2]], dtype=torch.float64)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    return Mixture(means, torch.tensor([0.3, 0.2, 0.4]), weights, schedule)


def energy_distance(first: Tensor, second: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| (Székely & Rizzo 2013), without bias, 0 for equal laws."""
    num, other = len(first), len(second)
    within = torch.pdist(first).sum() * 2 / (num * (num - 1))
    beside = torch.pdist(second).sum() * 2 / (other * (other - 1))
    return float(2 * torch.cdist(first, second).mean() - within - beside)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_samplers_agree_as_steps_grow(sampler: str) -> None:
    """On a mixture: those of the ODE item by item, those that add noise in distribution."""
    data = mixture(Cosine())
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    spacing = "uniform" if sampler == "euler" else "log-snr"
    num_steps = 150 if ORDERS[sampler].power == 1 else 60
    last = last_step(sampler, data, x, SPACINGS[spacing](data.schedule, num_steps))
    if sampler in FOLLOW_THE_FLOW:
        truth = last_step("heun", data, x[:50], SPACINGS["log-snr"](data.schedule, 200)).x0
        assert float((last.x0[:50] - truth).abs().mean()) < 0.01
    drawn = data.sample(2000, torch.Generator().manual_seed(5))
    assert energy_distance(last.x0, drawn) < 0.006  # 20 draws of the data stay within 0.003


def test_the_energy_distance_sees_what_it_should() -> None:
    drawn = mixture(Cosine()).sample(2600, torch.Generator().manual_seed(6))
    assert energy_distance(drawn[:600], drawn[600:]) < 0.003
    assert energy_distance(1.15 * drawn[:600], drawn[600:]) > 0.006


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_is_finite_at_every_end(sampler: str) -> None:
    """Pure noise at the start, no noise at the end, and few steps between, in float32."""
    plans = [Tolerance(relative=0.2, absolute=0.05)] if sampler in ADAPTIVE else [1, 2, 5]
    for schedule in (*(cls() for cls in SCHEDULES.values()), RectifiedFlow(clip=1e-3)):
        data = Gaussian(0.3, 0.5, schedule)
        x = start_of(data, 3).float()
        for plan in plans:
            if isinstance(plan, int):
                plan = plan_times(schedule, plan)
            for step in SAMPLERS[sampler](data.denoise, x, plan, schedule, Random(0, range(3))):
                assert step.x.isfinite().all() and step.x0.isfinite().all(), schedule
                assert step.x.dtype == step.x0.dtype == torch.float32


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_network_calls_are_those_that_are_stated(sampler: str) -> None:
    for schedule in (Cosine(), EDM()):  # one ends without noise
        data = Gaussian(0.3, 0.5, schedule)
        counted = Counted(data.denoise)
        plan = plan_for(sampler, plan_times(schedule, 6))
        steps = list(
            SAMPLERS[sampler](counted, start_of(data, 2), plan, schedule, Random(0, [0, 1]))
        )
        if sampler == "adaptive":
            assert counted.calls == 1 + 3 * len(steps)
        elif sampler == "adaptive-sde":
            assert counted.calls == 2 * len(steps)
        else:
            a_step = CALLS.get(sampler, 1)
            assert counted.calls == 6 * a_step - (a_step - 1) * (schedule == Cosine())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_item_does_not_depend_on_its_batch(sampler: str) -> None:
    data = mixture(Cosine())
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plan = plan_for(sampler, plan_times(data.schedule, 5))
    *_, together = SAMPLERS[sampler](data.denoise, x, plan, data.schedule, Random(0, range(6)))
    *_, alone = SAMPLERS[sampler](data.denoise, x[4:5], plan, data.schedule, Random(0, [4]))
    torch.testing.assert_close(together.x0[4:5], alone.x0, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_wrong_kind_of_plan_is_refused_before_any_call(sampler: str) -> None:
    data = Gaussian(0.3, 0.5, Cosine())
    counted = Counted(data.denoise)
    wrong = plan_times(data.schedule, 3) if sampler in ADAPTIVE else Tolerance()
    with pytest.raises(ValueError, match="allowed is a"):
        next(SAMPLERS[sampler](counted, start_of(data, 2), wrong, data.schedule, Random(0, [0, 1])))
    assert counted.calls == 0


@pytest.mark.parametrize("times", [[0.5], [0.2, 0.8], [0.8, 0.8], [[0.8, 0.2]]])
def test_times_that_do_not_fall_are_refused(times: list[float]) -> None:
    data = Gaussian(0.3, 0.5, Cosine())
    walk = SAMPLERS["dpm++2m"](
        data.denoise, start_of(data, 2), torch.tensor(times), data.schedule, Random(0, [0, 1])
    )
    with pytest.raises(ValueError, match="each below the one before"):
        next(walk)


@pytest.mark.parametrize("name", ["ddim", "euler", "heun"])
def test_these_go_back_the_way_they_came(name: str) -> None:
    data, plan = Gaussian(0.3, 0.5, Cosine()), torch.linspace(0.9, 0.1, 201, dtype=torch.float64)
    x, random = start_of(data, 2), Random(0, range(2))
    *_, there = SAMPLERS[name](data.denoise, x, plan, data.schedule, random)
    *_, back = SAMPLERS[name](data.denoise, there.x, plan.flip(0), data.schedule, random)
    torch.testing.assert_close(back.x, x, rtol=0.02, atol=0.02)


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


def test_churn_keeps_the_marginal_and_none_is_heun() -> None:
    """Noise is added so that xt stays distributed as the data at the higher noise is."""
    data = Gaussian(0.0, 0.5, Cosine())
    x = start_of(data, 5)
    plan, random = plan_times(data.schedule, 8), Random(0, range(5))
    *_, still = SAMPLERS["edm"](data.denoise, x, plan, data.schedule, random, churn=0.0)
    *_, heun = SAMPLERS["heun"](data.denoise, x, plan, data.schedule, random)
    assert (still.x0 == heun.x0).all()
    seen: list[tuple[Tensor, Tensor]] = []

    def denoise(xt, t):
        seen.append((xt, t))
        return data.denoise(xt, t)

    plan = torch.tensor([0.6, 0.4, 0.2], dtype=torch.float64)
    x = float(data.spread(plan[0])) * torch.randn(
        40_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    next(SAMPLERS["edm"](denoise, x, plan, data.schedule, Random(0, range(len(x)))))
    raised, t = seen[0][0], seen[0][1][0]
    ratio = (data.schedule.sigma(t) / data.schedule.alpha(t)) / math.tan(0.3 * math.pi)
    assert float(ratio) == pytest.approx(math.sqrt(2))  # the most that a step may churn
    assert float(raised.std()) == pytest.approx(float(data.spread(t)), rel=0.01)


def test_langevin_steps_mend_what_a_coarse_predictor_left() -> None:
    data = Gaussian(0.0, 0.5, EDM())
    x = start_of(data, 4000)
    errors = []
    for steps in (0, 3):
        plan = torch.linspace(1, 0.4, 8, dtype=torch.float64)  # to sigma 0.94
        random = Random(0, range(len(x)))
        *_, last = SAMPLERS["predictor-corrector"](
            data.denoise, x, plan, data.schedule, random, corrector_steps=steps
        )
        errors.append(abs(float(last.x.std()) - float(data.spread(plan[-1]))))
    assert errors[1] < 0.6 * errors[0]


def test_two_known_points_are_weighted_as_the_papers_do_and_three_exactly() -> None:
    """Against ∫ z e^-z(1-v) v^k dv by quadrature."""
    whole = 1 - math.exp(-0.7)
    assert integral_weights(0.7, [-2.0]) == pytest.approx([1.25 * whole, -0.25 * whole])
    v = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    for z, places in ((0.3, [-1.0, -2.5]), (2.0, [-0.5, -1.0, 1.0]), (9.0, [-3.0, 1.0])):
        nodes = torch.tensor([0.0, *places], dtype=torch.float64)
        weights = torch.tensor(integral_weights(z, places), dtype=torch.float64)
        for power in range(len(nodes)):
            integral = float((z * torch.exp(-z * (1 - v)) * v**power).mean())
            assert float((weights * nodes**power).sum()) == pytest.approx(integral, rel=1e-6)


def test_euler_is_ddim_on_straight_paths() -> None:
    data = Gaussian(0.3, 0.5, RectifiedFlow())
    x, times = start_of(data, 4), plan_times(RectifiedFlow(), 7)
    torch.testing.assert_close(
        last_step("euler", data, x, times).x0, last_step("ddim", data, x, times).x0
    )


def test_a_tighter_tolerance_costs_more_calls_and_errs_less() -> None:
    data = mixture(Cosine())
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    truth = last_step("unipc", data, x, SPACINGS["log-snr"](data.schedule, 400)).x0
    calls, errors = [], []
    for size in (3e-2, 3e-3, 3e-4):
        counted = Counted(data.denoise)
        plan = Tolerance(relative=size, absolute=size)
        *_, last = SAMPLERS["adaptive"](counted, x, plan, data.schedule, Random(0, range(20)))
        calls.append(counted.calls)
        errors.append(float((last.x0 - truth).abs().mean()))
    assert calls == sorted(calls) and calls[0] < 60 < calls[2]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


@pytest.mark.parametrize("sampler", ADAPTIVE)
def test_a_tolerance_out_of_reach_and_numbers_not_finite_are_said(sampler: str) -> None:
    data, x = mixture(Cosine()), torch.ones(2, 2)
    walk = SAMPLERS[sampler](
        data.denoise, x, Tolerance(most_moves=2), data.schedule, Random(0, [0, 1])
    )
    with pytest.raises(InputError, match="was not met within 2 steps"):
        list(walk)

    def broken(xt, t):
        return data.denoise(xt * math.nan, t)

    with pytest.raises(MachineError, match="stopped being finite"):
        list(SAMPLERS[sampler](broken, x, Tolerance(), data.schedule, Random(0, [0, 1])))


@pytest.mark.parametrize("wrong", [{"relative": 0.0}, {"absolute": 1.0}, {"most_moves": 0}])
def test_impossible_tolerances_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Tolerance(**wrong)


def test_no_grad_does_not_leak_into_the_consumer() -> None:
    data = Gaussian(0.3, 0.5, RectifiedFlow())
    for name in SAMPLERS:
        plan = plan_for(name, plan_times(data.schedule, 3))
        for step in SAMPLERS[name](
            data.denoise, torch.randn(2, 2), plan, data.schedule, Random(0, range(2))
        ):
            assert torch.is_grad_enabled()
            assert not step.x0.requires_grad
