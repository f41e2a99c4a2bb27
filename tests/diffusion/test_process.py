from typing import get_args

import pytest
import torch

from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.process import READ, Target, add_noise, check_pairing
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, RectifiedFlow, Schedule

TARGETS: tuple[Target, ...] = get_args(Target)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_reads_back_as_every_other(name: str, target: Target) -> None:
    schedule: Schedule = SCHEDULES[name]()
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    t = torch.linspace(0.05, 0.95, 50, dtype=torch.float64)
    at = schedule.at(t, like=x0)
    prediction = Prediction(
        READ[target](x0, noise, at), target, add_noise(schedule, x0, noise, t), at
    )
    for other in TARGETS:
        expected = READ[other](x0, noise, at)
        torch.testing.assert_close(prediction.read(other), expected, rtol=1e-7, atol=1e-7)
        assert getattr(prediction, other).equal(prediction.read(other))


def test_score_is_that_of_the_design_page() -> None:
    schedule, t = Cosine(), torch.tensor([0.3], dtype=torch.float64)
    x0, xt = torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[-0.2]], dtype=torch.float64)
    at = schedule.at(t, like=xt)
    score = Prediction(x0, "x0", xt, at).score
    torch.testing.assert_close(score, (at.alpha * x0 - xt) / at.sigma**2)


def test_v_needs_its_denominator_off_variance_preservation() -> None:
    schedule, t = RectifiedFlow(), torch.tensor([0.5], dtype=torch.float64)
    x0, noise = torch.ones(2, 1, 1, dtype=torch.float64)
    at = schedule.at(t, like=x0)
    v = at.alpha * noise - at.sigma * x0
    assert Prediction(v, "v", add_noise(schedule, x0, noise, t), at).x0.item() == pytest.approx(1)


def test_pure_noise_refuses_noise_and_score() -> None:
    for target in TARGETS:
        check_pairing(target, EDM())
        check_pairing(target, RectifiedFlow(clip=1e-3))
        if target in ("noise", "score"):
            with pytest.raises(ValueError, match="clip the schedule"):
                check_pairing(target, RectifiedFlow())
        else:
            check_pairing(target, RectifiedFlow())


def test_parts_of_an_item_may_have_times_of_their_own() -> None:
    x0, noise = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    t = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])
    assert add_noise(RectifiedFlow(), x0, noise, t).equal(t)
