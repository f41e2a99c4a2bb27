"""The recipe's sampler section: what it refuses, what it plans, what it costs."""

from dataclasses import fields
from typing import Any

import pytest
import torch

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.samplers import SAMPLERS, Tolerance, plan_times
from noiseloom.diffusion.sampling import ADAPTIVE, SETTINGS, TAKES, Counted, Sampling
from noiseloom.diffusion.schedules import EDM, Cosine, DiscreteBeta, RectifiedFlow
from noiseloom.diffusion.spacings import SPACINGS
from noiseloom.seeds import Random


def test_every_setting_of_a_sampler_is_an_option() -> None:
    assert set(SETTINGS) <= {field.name for field in fields(Sampling)}
    assert TAKES["edm"] == ("churn", "churn_min", "churn_max", "churn_noise")
    assert ADAPTIVE == ("adaptive", "adaptive-sde")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "huen"}, "Did you mean 'heun'"),
        ({"steps": 0}, "at least 1"),
        ({"shift": 0.0}, "above 0"),
        ({"spacing": "karas"}, "Did you mean 'karras'"),
        ({"spacing": "karras", "shift": 2.0}, "Leave one of the two out"),
        ({"churn": 30.0}, "'heun' takes no churn.*does: edm"),
        ({"name": "edm", "order": 2}, "'edm' takes no order.*does: unipc"),
        ({"tolerance": Tolerance()}, "takes no tolerance.*does: adaptive, adaptive-sde"),
        ({"name": "adaptive", "spacing": "karras"}, "chooses its own times"),
        ({"name": "adaptive", "shift": 2.0}, "chooses its own times"),
        ({"spacing": "learned"}, "go together"),
        ({"times": (1.0, 0.5, 0.0)}, "go together"),
        ({"spacing": "learned", "times": (1.0, 0.5, 0.0)}, "3 entries, so 2 moves"),
        ({"spacing": "learned", "steps": 2, "times": (1.0, 0.0, 0.5)}, "fall throughout"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Sampling(**wrong)


@pytest.mark.parametrize(
    ("sampling", "told"),
    [
        (Sampling(spacing="learned", steps=2, times=(1.5, 0.5, 0.0)), "from 1, .* down to 0"),
        (Sampling(spacing="learned", steps=2, times=(0.9, 0.5, 0.0)), "from 1, .* down to 0"),
        (Sampling(spacing="learned", steps=2, times=(1.0, 0.5, -0.1)), "from 1, .* down to 0"),
    ],
)
def test_times_outside_the_schedule_are_refused_before_any_call(
    sampling: Sampling, told: str
) -> None:
    data = Gaussian(0.0, 1.0, Cosine())
    counted = Counted(data.denoise)
    with pytest.raises(ValueError, match=told):
        sampling.walk(counted, torch.randn(2, 2), data.schedule, Random(0, range(2)))
    assert counted.calls == 0


def test_more_steps_than_a_table_has_are_refused() -> None:
    schedule = DiscreteBeta(num_times=20)
    assert len(Sampling(steps=19).plan(schedule)) == 20
    with pytest.raises(ValueError, match="table of 20 times; allowed are 1 to 19"):
        Sampling(steps=20).plan(schedule)


def test_plans_are_those_asked_for() -> None:
    schedule = RectifiedFlow()
    assert (Sampling(steps=4, shift=3.0).plan(schedule) == plan_times(schedule, 4, shift=3.0)).all()
    for spacing, times in SPACINGS.items():
        plan = Sampling(steps=4, spacing=spacing).plan(schedule)
        assert isinstance(plan, torch.Tensor) and (plan == times(schedule, 4)).all()
    learned = Sampling(spacing="learned", steps=2, times=(1.0, 0.3, 0.0)).plan(schedule)
    assert learned.dtype == torch.float64 and learned.tolist() == [1.0, 0.3, 0.0]
    asked = Tolerance(relative=0.1)
    assert Sampling(name="adaptive", tolerance=asked).plan(schedule) == asked
    assert Sampling(name="adaptive").plan(schedule) == Tolerance()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_calls_foretold_are_the_calls_made(name: str) -> None:
    for schedule in (Cosine(), EDM()):
        data = Gaussian(0.3, 0.5, schedule)
        sampling = Sampling(name=name, steps=5)
        counted = Counted(data.denoise)
        list(sampling.walk(counted, torch.randn(2, 2), schedule, Random(0, range(2))))
        foretold = sampling.calls(schedule)
        assert foretold is None if name in ADAPTIVE else foretold == counted.calls


def test_settings_reach_the_sampler() -> None:
    data = Gaussian(0.3, 0.5, EDM())
    assert Sampling(name="predictor-corrector", steps=4, corrector_steps=3).calls(EDM()) == 16
    x = 80 * torch.randn(3, 2, generator=torch.Generator().manual_seed(0))

    def drawn(**how: Any) -> torch.Tensor:
        *_, last = Sampling(**how).walk(data.denoise, x, data.schedule, Random(0, range(3)))
        return last.x0

    assert (drawn(name="edm", churn=0.0) == drawn(name="heun")).all()
    assert not torch.allclose(drawn(name="edm", churn=30.0), drawn(name="heun"))
    assert not torch.allclose(drawn(name="unipc", order=1), drawn(name="unipc"))


def test_a_change_takes_with_it_what_belonged_to_what_goes() -> None:
    churned = Sampling(name="edm", churn=30.0, spacing="karras", steps=18)
    assert churned.changed(name="heun") == Sampling(name="heun", spacing="karras", steps=18)
    assert churned.changed(name="edm") == churned.changed() == churned
    assert churned.changed(name="adaptive", tolerance=0.1) == Sampling(
        name="adaptive", steps=18, tolerance=Tolerance(relative=0.1, absolute=0.1)
    )
    exact = Sampling(name="adaptive", tolerance=Tolerance(relative=0.1))
    assert exact.changed(name="ddim", steps=5) == Sampling(name="ddim", steps=5)
    learned = Sampling(spacing="learned", steps=2, times=(1.0, 0.3, 0.0))
    assert learned.changed(spacing="uniform", steps=9) == Sampling(steps=9)
    with pytest.raises(ValueError, match="chooses how many steps"):
        exact.changed(steps=9)
    with pytest.raises(ValueError, match="takes no tolerance"):
        learned.changed(tolerance=0.1)


def test_a_recipe_s_section_is_read_and_written_back() -> None:
    written = {
        "name": "adaptive",
        "tolerance": {"relative": 0.02},
    }
    read = parse(Sampling, from_mapping(written, "r.yaml"))
    assert read == Sampling(name="adaptive", tolerance=Tolerance(relative=0.02))
    learned = Sampling(spacing="learned", steps=2, times=(1.0, 0.3, 0.0))
    for sampling in (read, learned, Sampling(name="edm", churn=30.0)):
        assert parse(Sampling, from_mapping(to_mapping(sampling), "r.yaml")) == sampling


def test_protocols_say_all_that_was_chosen() -> None:
    assert Sampling(name="edm", churn=30.0).describe() == {
        "sampler": "edm",
        "steps": 10,
        "shift": 1.0,
        "spacing": "uniform",
        "churn": 30.0,
    }
    assert Sampling(name="adaptive").describe() == {
        "sampler": "adaptive",
        "tolerance": [0.01, 0.005],
    }
