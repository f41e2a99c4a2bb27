"""The search finds what is best where that is known, and never asks for more than it may."""

import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.schedules import EDM, DiscreteBeta, RectifiedFlow, Schedule
from noiseloom.seeds import Random
from noiseloom.tuning.sampler_search import Trial, Way, search, within_budget

START = Way(Sampling(name="heun", steps=10), ClassifierFree(scale=1.5, interval=(0.5, 1.0)))


def run(measure, *, budget=6, trials=60, schedule=None, start=START) -> list[Trial]:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(0)
    schedule = schedule or RectifiedFlow()
    return list(search(start, schedule, measure, budget=budget, trials=trials, generator=generator))


def test_every_way_keeps_to_the_budget_and_uses_it() -> None:
    schedule = RectifiedFlow()
    ways = list(within_budget(START, schedule, 6))
    calls = {way.sampling.name: way.sampling.calls(schedule) for way in ways}
    assert all(1 <= made <= 6 for made in calls.values() if made is not None)
    assert calls["ddim"] == 6 and calls["heun"] == 5  # 7 would be one too many
    assert not {"adaptive", "adaptive-sde"} & set(calls)
    for trial in run(lambda way: 1.0, trials=50):
        assert trial.way.sampling.calls(schedule) <= 6


def test_it_finds_strength_interval_and_times() -> None:
    """A figure that is least at guidance 2 within 0.3 to 0.9, and with every step of equal length
    in the logarithm of t."""

    def measure(way: Way) -> float:
        times = way.sampling.plan(RectifiedFlow(clip=0.0))
        assert isinstance(times, Tensor)
        wanted = torch.logspace(0, -2, len(times), dtype=torch.float64)
        low, high = way.guidance.interval
        return float(
            (times[:-1] - wanted[:-1]).square().sum()
            + 0.1 * (way.guidance.scale - 2) ** 2
            + 0.1 * (low - 0.3) ** 2
            + 0.1 * (high - 0.9) ** 2
        )

    found = run(measure, trials=250)
    best = min(found, key=lambda trial: trial.value)
    at_first = min(t.value for t in found if t.stage == "samplers")
    assert best.value < 0.02 * at_first
    assert best.way.sampling.spacing == "learned"
    assert best.way.guidance.scale == pytest.approx(2, abs=0.3)
    values = [trial.value for trial in found]
    assert len(found) <= 250 and all(math.isfinite(value) for value in values)


def error_of(schedule: Schedule):  # type: ignore[no-untyped-def]
    """How far a way's samples of a Gaussian are from where the path ends."""
    data = Gaussian(0.3, 0.5, schedule)
    ends = [torch.tensor(t, dtype=torch.float64) for t in (schedule.t_max, schedule.t_min)]
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    x = float(schedule.alpha(ends[0])) * 0.3 + float(data.spread(ends[0])) * z
    truth = data.path(x, *ends)

    def measure(way: Way) -> float:
        *_, last = way.sampling.walk(data.denoise, x, schedule, Random(0, range(9)))
        return float((last.x - truth).abs().mean())

    return measure


def test_on_a_gaussian_it_beats_the_recipe_with_fewer_calls() -> None:
    schedule = EDM()
    measure = error_of(schedule)
    start = Way(Sampling(name="heun", steps=10), None)
    best = min(
        run(measure, budget=8, trials=80, schedule=schedule, start=start), key=lambda t: t.value
    )
    assert best.way.sampling.calls(schedule) <= 8 < start.sampling.calls(schedule)  # type: ignore[operator]
    assert best.value < measure(start)


def test_the_same_seed_searches_the_same() -> None:
    one, two = (run(error_of(RectifiedFlow()), trials=45) for _ in range(2))
    assert one == two


def test_a_figure_that_is_no_number_never_wins() -> None:
    def measure(way: Way) -> float:
        return math.nan if way.sampling.name == "ddim" else 1.0

    assert min(run(measure), key=lambda trial: trial.value).way.sampling.name != "ddim"


def test_what_cannot_be_searched_is_said() -> None:
    with pytest.raises(ValueError, match="budget is 0"):
        run(lambda way: 1.0, budget=0)


@pytest.mark.parametrize("budget", [1, 2])
def test_a_single_step_has_no_times_to_move_and_the_search_ends(budget: int) -> None:
    start = Way(Sampling(name="ddim", steps=1), None)

    def measure(way: Way) -> float:
        return float(way.sampling.steps)  # one step is best

    found = run(measure, budget=budget, trials=500, start=start)
    assert 0 < len(found) < 500


def test_a_recipe_of_learned_times_is_searched_from_even_ones() -> None:
    learned = Sampling(name="heun", steps=2, spacing="learned", times=(1.0, 0.4, 0.0))
    ways = list(within_budget(Way(learned, None), RectifiedFlow(), 4))
    assert {way.sampling.spacing for way in ways} == {"uniform"}


def test_a_table_of_few_times_holds_few_steps() -> None:
    schedule = DiscreteBeta(num_times=5)
    ways = list(within_budget(START, schedule, 30))
    assert max(way.sampling.steps for way in ways) == 4
