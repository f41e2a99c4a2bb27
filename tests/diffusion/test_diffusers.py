"""The same walks as diffusers' schedulers, to 1e-5 on the same network outputs.

Their tables are float32 and their times whole numbers k: `DiscreteBeta` holds the same table at
(k + 1) / 1000, and 0 where theirs end without noise.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.process import Target
from noiseloom.diffusion.samplers import SAMPLERS, dpm_3m, plan_times, unipc
from noiseloom.diffusion.schedules import Coefficients, DiscreteBeta, RectifiedFlow, Schedule
from noiseloom.seeds import Random

diffusers = pytest.importorskip("diffusers", reason="parity with diffusers needs diffusers")
# numpy's, of how their tables become arrays
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TABLE = DiscreteBeta()
LINEAR = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
STEPS = 20
EXACT = {"rtol": 0, "atol": 1e-5}


def network(x: Tensor, noise: float) -> Tensor:
    """The noise in x, about that of a Gaussian but bent.

    `noise` is sigma / alpha, and alpha² + sigma² is 1.
    """
    alpha, sigma = 1 / math.hypot(1, noise), noise / math.hypot(1, noise)
    return sigma * x / (0.25 * alpha**2 + sigma**2) + 0.2 * alpha * torch.sin(2 * x)


def start() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()


def denoise_with(schedule: Schedule, target: Target) -> Denoise:
    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        at = schedule.at(t, like=xt)
        noise = float((at.sigma / at.alpha).flatten()[0])
        return Prediction(network(xt, noise), target, xt, at)

    return denoise


def plan_of(timesteps: Tensor, last: float = 0.0) -> Tensor:
    """Our times for their whole numbers, and where the last of their steps ends."""
    return torch.tensor([*((timesteps.double() + 1) / 1000).tolist(), last], dtype=torch.float64)


def ours(name: str, plan: Tensor, x: Tensor, **settings: float) -> Tensor:
    denoise, random = denoise_with(TABLE, "noise"), Random(0, range(len(x)))
    *_, last = SAMPLERS[name](denoise, x, plan, TABLE, random, **settings)
    return last.x


def theirs(scheduler, x: Tensor, noises=None) -> Tensor:
    """Their loop; with `noises` step number n is given the n-th."""
    scheduler.set_timesteps(STEPS)
    exactly(scheduler)
    for index, k in enumerate(scheduler.timesteps):
        t = (k.double() + 1) / 1000
        output = network(x, float(TABLE.sigma(t) / TABLE.alpha(t)))
        given = {} if noises is None else {"variance_noise": noises(index, x)}
        x = scheduler.step(output, k, x, **given).prev_sample
    return x


def exactly(scheduler) -> None:
    """Their tables in float64: of float32 those of three points lose the fifth digit."""
    t = torch.arange(1, 1001).double() / 1000
    scheduler.alphas_cumprod = TABLE.alpha(t) ** 2
    if hasattr(scheduler, "sigmas"):
        at = scheduler.timesteps.long()
        exact = (TABLE.sigma(t) / TABLE.alpha(t))[at]
        last = scheduler.sigmas[-1:].double()
        if float(last) > 0:
            last = TABLE.sigma(t[:1]) / TABLE.alpha(t[:1])
        scheduler.sigmas = torch.cat([exact, last])


def ancestral(index: int, x: Tensor) -> Tensor:
    return Random(0, range(len(x)), index).normal_like("ancestral", x)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddpm_with_the_same_noise(spacing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = diffusers.DDPMScheduler(**LINEAR, clip_sample=False, timestep_spacing=spacing)
    drawn = iter(range(STEPS))
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_ddpm.randn_tensor",
        lambda shape, **_: ancestral(next(drawn), start()),
    )
    expected = theirs(scheduler, start())
    torch.testing.assert_close(
        ours("ddpm", plan_of(scheduler.timesteps), start()), expected, **EXACT
    )


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim_where_their_stride_is_the_spacing(spacing: str) -> None:
    scheduler = diffusers.DDIMScheduler(**LINEAR, clip_sample=False, timestep_spacing=spacing)
    expected = theirs(scheduler, start())
    torch.testing.assert_close(
        ours("ddim", plan_of(scheduler.timesteps), start()), expected, **EXACT
    )


def test_ddim_evenly_between_both_ends() -> None:
    """Their DDIM takes T // n for the stride there, which misses its own next time.

    Each of its steps equals ours to where it really goes; the walk to its times is that of their
    first-order solver, which looks the next time up.
    """
    scheduler = diffusers.DDIMScheduler(**LINEAR, clip_sample=False, timestep_spacing="linspace")
    scheduler.set_timesteps(STEPS)
    exactly(scheduler)
    missed = 0
    for k, following in zip(scheduler.timesteps[:-1], scheduler.timesteps[1:], strict=True):
        gone_to = int(k) - 1000 // STEPS
        missed += gone_to != int(following)
        plan = torch.tensor([(int(k) + 1) / 1000, (gone_to + 1) / 1000], dtype=torch.float64)
        noise = float(TABLE.sigma(plan[0]) / TABLE.alpha(plan[0]))
        expected = scheduler.step(network(start(), noise), k, start()).prev_sample
        torch.testing.assert_close(ours("ddim", plan, start()), expected, **EXACT)
    assert missed == STEPS - 1
    solver = diffusers.DPMSolverMultistepScheduler(
        **LINEAR, solver_order=1, timestep_spacing="linspace"
    )
    expected = theirs(solver, start())
    torch.testing.assert_close(ours("ddim", plan_of(solver.timesteps), start()), expected, **EXACT)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize(
    ("name", "scheduler", "settings"),
    [
        ("dpm++2m", "DPMSolverMultistepScheduler", {"solver_order": 2}),
        ("dpm++2m-sde", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("unipc", "UniPCMultistepScheduler", {"solver_order": 2, "solver_type": "bh2"}),
    ],
)
def test_multistep_samplers(
    name: str, scheduler: str, settings: dict[str, object], spacing: str
) -> None:
    known = getattr(diffusers, scheduler)(**LINEAR, **settings, timestep_spacing=spacing)
    expected = theirs(known, start(), ancestral if name.endswith("sde") else None)
    torch.testing.assert_close(ours(name, plan_of(known.timesteps), start()), expected, **EXACT)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc_of_every_order(order: int) -> None:
    """To where their table ends: with no noise left their third order has no number."""
    known = diffusers.UniPCMultistepScheduler(
        **LINEAR, solver_order=order, lower_order_final=False, final_sigmas_type="sigma_min"
    )
    expected = theirs(known, start())
    plan = plan_of(known.timesteps, last=0.001)
    torch.testing.assert_close(ours("unipc", plan, start(), order=order), expected, **EXACT)


def test_three_known_points_are_weighted_as_unipc_s_predictor_does() -> None:
    known = diffusers.UniPCMultistepScheduler(
        **LINEAR,
        solver_order=3,
        lower_order_final=False,
        final_sigmas_type="sigma_min",
        disable_corrector=list(range(STEPS)),
    )
    expected = theirs(known, start())
    plan = plan_of(known.timesteps, last=0.001)
    torch.testing.assert_close(ours("dpm++3m", plan, start()), expected, **EXACT)


def test_their_third_order_solver_is_of_second_order_and_ours_of_third() -> None:
    """So the two are not equal: their second difference has half of its weight in the integral."""
    data = Gaussian(0.3, 0.5, TABLE)
    errors: dict[str, list[float]] = {"theirs": [], "ours": []}
    for num_steps in (80, 160):
        log_snr = torch.linspace(-9, 4, num_steps + 1, dtype=torch.float64)
        plan = TABLE.t_of_log_snr(log_snr)
        x = data.spread(plan[0]) * torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
        truth = data.path(x, plan[0], plan[-1])
        *_, last = dpm_3m(data.denoise, x, plan, TABLE, Random(0, range(9)))
        errors["ours"].append(float((last.x - truth).abs().mean()))
        solver = diffusers.DPMSolverMultistepScheduler(
            **LINEAR,
            solver_order=3,
            prediction_type="sample",
            final_sigmas_type="sigma_min",
            lower_order_final=False,
        )
        solver.set_timesteps(num_steps)
        solver.sigmas = torch.exp(-0.5 * log_snr)
        solver.set_begin_index(0)
        for t in plan[:-1]:
            x = solver.step(data.denoise(x, t).x0, t, x).prev_sample
        errors["theirs"].append(float((x - truth).abs().mean()))
    powers = {who: math.log2(first / second) for who, (first, second) in errors.items()}
    assert powers["ours"] == pytest.approx(3, abs=0.25)
    assert powers["theirs"] == pytest.approx(2, abs=0.25)


class Exploding(Schedule):
    """alpha = 1 and sigma = t, in which their Heun walks whatever the table."""

    def _curves(self, t: Tensor) -> Coefficients:
        return Coefficients(torch.ones_like(t), t, torch.zeros_like(t), torch.ones_like(t))

    def t_of_log_snr(self, log_snr: Tensor) -> Tensor:
        return torch.exp(-0.5 * log_snr)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_heun(spacing: str) -> None:
    scheduler = diffusers.HeunDiscreteScheduler(**LINEAR, timestep_spacing=spacing)
    scheduler.set_timesteps(STEPS)
    x = float(scheduler.sigmas[0]) * start()
    times = scheduler.sigmas.double()
    plan = torch.cat([times[:1], times[1::2]])  # theirs repeats each sigma that is asked twice
    *_, last = SAMPLERS["heun"](
        denoise_with(Exploding(), "noise"), x, plan, Exploding(), Random(0, range(len(x)))
    )
    for index, k in enumerate(scheduler.timesteps):
        x = scheduler.step(network(x, float(scheduler.sigmas[index])), k, x).prev_sample
    torch.testing.assert_close(last.x, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_euler_with_the_shift_applied_once(shift: float) -> None:
    schedule = RectifiedFlow()
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS))
    plan = plan_times(schedule, STEPS, shift=shift)
    torch.testing.assert_close(scheduler.sigmas.double(), plan, rtol=0, atol=1e-6)
    x = start()

    def velocity(xt: Tensor, t: Tensor) -> Prediction:
        at = schedule.at(t, like=xt)
        return Prediction(network(xt, float(t[0]) + 1), "velocity", xt, at)

    *_, last = SAMPLERS["euler"](velocity, x, plan, schedule, Random(0, range(len(x))))
    for index, k in enumerate(scheduler.timesteps):
        x = scheduler.step(network(x, float(scheduler.sigmas[index]) + 1), k, x).prev_sample
    torch.testing.assert_close(last.x, x, **EXACT)


def test_their_own_flow_times_are_shifted_twice() -> None:
    """Why the test above gives them theirs: the ends of their default are shifted already."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(STEPS)
    once = 3.0 * 1e-3 / (1 + 2 * 1e-3)
    twice = 3.0 * once / (1 + 2 * once)
    assert float(scheduler.sigmas[-2]) == pytest.approx(twice, rel=1e-4)


def test_unipc_refuses_an_order_it_has_not() -> None:
    with pytest.raises(ValueError, match="allowed are 1, 2 and 3"):
        next(
            unipc(lambda x, t: None, start(), plan_times(TABLE, 3), TABLE, Random(0, [0]), order=4)
        )
