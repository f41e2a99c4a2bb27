"""Every sampler converges as fast as is stated of it."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.exact import Gaussian, Mixture
from noiseloom.diffusion.orders import LAST_LOG_SNR, ORDERS, Orthogonal, even_log_snr, measure_order
from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.diffusion.schedules import EDM, Cosine, LinearBeta, RectifiedFlow, Schedule
from noiseloom.seeds import Random

MULTISTEP = ("dpm++2m", "dpm++3m", "unipc", "heun")


def test_every_sampler_has_a_stated_order() -> None:
    assert list(ORDERS) == list(SAMPLERS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_stated_order_is_measured(name: str) -> None:
    slack = 0.25 if ORDERS[name].of == "tolerance" else 0.16
    assert measure_order(name) == pytest.approx(ORDERS[name].power, abs=slack)


@pytest.mark.parametrize("schedule", [RectifiedFlow(), LinearBeta()], ids=repr)
@pytest.mark.parametrize("name", ["euler", "heun", "unipc", "adaptive"])
def test_the_order_does_not_depend_on_the_schedule(name: str, schedule: Schedule) -> None:
    slack = 0.25 if ORDERS[name].of == "tolerance" else 0.16
    assert measure_order(name, schedule) == pytest.approx(ORDERS[name].power, abs=slack)


def test_a_wrong_sampler_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """ddim in the place of heun is measured to be of first order."""
    monkeypatch.setitem(SAMPLERS, "heun", SAMPLERS["ddim"])
    assert measure_order("heun") < 1.2


@pytest.mark.parametrize("name", ["ddim", "euler", "heun"])
@pytest.mark.parametrize("schedule", [Cosine(), RectifiedFlow(), EDM(sigma_min=1e-5)], ids=repr)
def test_one_step_samplers_keep_their_order_up_to_both_ends(name: str, schedule: Schedule) -> None:
    """From pure noise to none, evenly in t, where the log-SNR has no end."""
    data = Gaussian(0.3, 0.5, schedule)
    t_max, t_min = (torch.tensor(t, dtype=torch.float64) for t in (schedule.t_max, schedule.t_min))
    x = schedule.alpha(t_max) * data.mean + data.spread(t_max) * torch.linspace(-2, 2, 9)[:, None]
    truth = data.path(x, t_max, t_min)
    errors = []
    for num_steps in (80, 160):
        plan = plan_times(schedule, num_steps)
        *_, last = SAMPLERS[name](data.denoise, x, plan, schedule, Random(0, range(9)))
        errors.append(float((last.x0 - truth).abs().mean()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDERS[name].power, abs=0.15)


@pytest.mark.parametrize("name", MULTISTEP)
def test_orders_hold_on_a_mixture(name: str) -> None:
    """Where the denoiser is not linear: by how successive halvings of the step agree."""
    means = torch.tensor([[-0.6], [0.9]], dtype=torch.float64)
    data = Mixture(means, torch.tensor([0.5, 0.4]), torch.tensor([0.4, 0.6]), Cosine())
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(1)
    ends: list[Tensor] = []
    for num_steps in (75, 150, 300):
        plan = even_log_snr(data.schedule, num_steps, LAST_LOG_SNR["strong"])
        *_, last = SAMPLERS[name](data.denoise, x, plan, data.schedule, Random(0, range(9)))
        ends.append(last.x)
    first, second = (float((a - b).abs().mean()) for a, b in itertools.pairwise(ends))
    assert math.log2(first / second) == pytest.approx(ORDERS[name].power, abs=0.2)


def test_noises_of_the_measurement_have_nothing_in_common() -> None:
    random, x = Orthogonal(0, [0]), torch.zeros(1, 16, dtype=torch.float64)
    asked = [("a", 0), ("b", 0), ("a", 1)]
    rows = torch.cat([random.at(step).normal_like(purpose, x) for purpose, step in asked])
    torch.testing.assert_close(rows @ rows.T, 16 * torch.eye(3, dtype=torch.float64))
    assert (random.at(1).normal_like("a", x) == rows[2:]).all()
