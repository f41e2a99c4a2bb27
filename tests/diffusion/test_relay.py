"""Two denoisers of one walk: who is asked, where, and that a walk with both is still one walk."""

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.relay import Relay, relayed_plan
from noiseloom.diffusion.samplers import SAMPLERS, Tolerance, plan_times
from noiseloom.diffusion.schedules import SCHEDULES, RectifiedFlow
from noiseloom.diffusion.times import Between
from noiseloom.seeds import Random

FLOW = RectifiedFlow()


def saying(value: float):
    """A denoiser that expects `value` everywhere, and how often it was asked."""
    asked: list[Tensor] = []

    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        asked.append(t)
        return Prediction(torch.full_like(xt, value), "x0", xt, FLOW.at(t, like=xt))

    return denoise, asked


def exact(xt: Tensor, t: Tensor) -> Prediction:
    """The denoiser of data ~ N(0, 1/4)."""
    at = FLOW.at(t, like=xt)
    return Prediction(0.25 * at.alpha * xt / (0.25 * at.alpha**2 + at.sigma**2), "x0", xt, at)


def test_each_time_is_asked_of_the_one_that_knows_it() -> None:
    (base, early), (expert, late) = saying(-1.0), saying(1.0)
    relay = Relay(base, expert, 0.5)
    x = torch.zeros(3, 2)
    assert relay(x, torch.full((3,), 0.6)).x0.unique().tolist() == [-1]
    assert (len(early), len(late)) == (1, 0)
    assert relay(x, torch.full((3,), 0.5)).x0.unique().tolist() == [1]
    assert (len(early), len(late)) == (1, 1)
    assert relay(x, torch.tensor([0.7, 0.5, 0.1])).x0[:, 0].tolist() == [-1, 1, 1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_expert_that_is_the_base_changes_nothing(name: str) -> None:
    adaptive = name.startswith("adaptive")
    plan = Tolerance() if adaptive else plan_times(FLOW, 6)
    x = torch.linspace(-2, 2, 5)[:, None]
    *_, alone = SAMPLERS[name](exact, x, plan, FLOW, Random(0, range(5)))
    relay = Relay(exact, exact, 0.4)
    *_, both = SAMPLERS[name](relay, x, plan, FLOW, Random(0, range(5)))
    torch.testing.assert_close(both.x0, alone.x0, rtol=0, atol=0)


def test_a_plan_is_the_bases_down_to_where_the_expert_begins() -> None:
    plan = plan_times(FLOW, 4)
    assert relayed_plan(plan, 0.5, FLOW, 2).tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert relayed_plan(plan, 0.6, FLOW, 3).tolist() == pytest.approx(
        [1, 0.75, 0.6, 0.4, 0.2, 0], abs=1e-12
    )
    assert relayed_plan(plan, 0.6, FLOW, None).tolist() == pytest.approx(
        [1, 0.75, 0.6, 0.5, 0.25, 0], abs=1e-12
    )
    assert relayed_plan(plan + 1e-9, 0.5, FLOW, None).tolist()[2:4] == [0.5, 0.25 + 1e-9]
    assert relayed_plan(plan_times(FLOW, 1), 0.2, FLOW, 1).tolist() == [1, 0.2, 0]


@pytest.mark.parametrize("word", SCHEDULES)
def test_a_plan_ends_where_the_schedule_does(word: str) -> None:
    schedule = SCHEDULES[word]()
    middle = 0.5 * (schedule.t_min + schedule.t_max)
    for steps in (None, 1, 3):
        plan = relayed_plan(plan_times(schedule, 5), middle, schedule, steps)
        assert (plan.diff() < 0).all()
        ends = [plan[0].item(), plan[-1].item()]
        assert ends == pytest.approx([schedule.t_max, schedule.t_min], abs=1e-12)
        assert middle in plan.tolist()


@pytest.mark.parametrize("begins", [0.0, 0.95])
def test_an_expert_without_a_part_of_the_range_is_refused(begins: float) -> None:
    schedule = RectifiedFlow(clip=0.1)
    with pytest.raises(
        ValueError, match=r"on the base's schedule allowed is above 0.001, up to 0.9"
    ):
        relayed_plan(plan_times(schedule, 2), begins, schedule, 1)


def test_times_between_are_spread_evenly_over_their_part() -> None:
    u = torch.linspace(0, 1, 5, dtype=torch.float64)
    times = Between(lowest=0.2, highest=0.6)
    torch.testing.assert_close(times.quantile(u, FLOW), 0.2 + 0.4 * u)
    inside = times.density(torch.tensor([0.1, 0.3, 0.6, 0.7]), FLOW)
    assert inside.tolist() == pytest.approx([0, 2.5, 2.5, 0])
    drawn = Between(highest=0.5).sample(FLOW, Random(0, range(64), 0, 64))
    assert 0 <= drawn.min() < 0.05 and 0.45 < drawn.max() <= 0.5
    with pytest.raises(ValueError, match=r"allowed is 0 <= lowest < highest <= 1"):
        Between(lowest=0.5, highest=0.5)
