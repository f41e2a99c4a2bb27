"""Editing with exact denoisers: what is kept is kept, what is made is distributed rightly."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.editing import (
    INVERTIBLE,
    averages,
    averaging_to,
    decode,
    encode,
    encoding_plan,
    inpaint,
    resampling_path,
    slerp,
    vary,
    with_averages,
    within,
)
from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.diffusion.sampling import ADAPTIVE
from noiseloom.diffusion.schedules import EDM, Cosine, LinearBeta, RectifiedFlow, Schedule
from noiseloom.seeds import Random

ORDER = {"ddim": 1, "euler": 1, "heun": 2}
SCHEDULES = [RectifiedFlow(), Cosine(), EDM()]

schedules = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlated(covariance: Tensor, schedule: Schedule) -> Denoise:
    """The exact denoiser of N(0, covariance)."""

    def denoise(xt: Tensor, t: Tensor) -> Prediction:
        at = schedule.at(t, like=xt)
        alpha, sigma = at.alpha[0], at.sigma[0]
        variance = alpha**2 * covariance + sigma**2 * torch.eye(len(covariance)).double()
        gain = alpha * covariance @ torch.linalg.inv(variance)
        return Prediction(xt @ gain.mT, "x0", xt, at)

    return denoise


# Filling in ------------------------------------------------------------------------------------


def test_inpainting_a_correlated_gaussian() -> None:
    """Given one coordinate the other is N(0.8 · 1.5, 0.6²); without resampling it is not."""
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    schedule = Cosine()
    denoise, num = correlated(covariance, schedule), 800
    known = torch.tensor([[1.5, 9.0]], dtype=torch.float64).repeat(num, 1)  # the 9 is not looked at
    is_missing = torch.tensor([[False, True]])
    plan, random = plan_times(schedule, 50), Random(0, range(num))
    found = {}
    for times in (1, 10):
        *_, last = inpaint(
            SAMPLERS["ddpm"],
            denoise,
            known,
            is_missing,
            plan,
            schedule,
            random,
            jump=5,
            resamplings=times,
        )
        assert torch.equal(last.x0[:, 0], known[:, 0])
        found[times] = float(last.x0[:, 1].mean()), float(last.x0[:, 1].std())
    assert found[10][0] == pytest.approx(1.2, abs=0.09)  # the bias of finite resampling is 0.06
    assert found[10][1] == pytest.approx(0.6, abs=0.07)
    assert abs(found[1][0] - 1.2) > 0.4


def test_with_nothing_known_inpainting_is_sampling() -> None:
    """Adding noise back and taking it away again leaves exact samples exact samples."""
    schedule = EDM()
    data = Gaussian(0.3, 0.5, schedule)
    known = torch.full((1000, 2), 7.0, dtype=torch.float64)
    *_, last = inpaint(
        SAMPLERS["ddpm"],
        data.denoise,
        known,
        torch.tensor([[True, True]]),
        plan_times(
            schedule, 300
        ),  # ddpm itself narrows what it draws by a share of about 3 / steps
        schedule,
        Random(0, range(1000)),
        jump=50,
        resamplings=2,
    )
    assert float(last.x0.mean()) == pytest.approx(0.3, abs=0.035)
    assert float(last.x0.std()) == pytest.approx(0.5, abs=0.035)


def test_each_picture_depends_on_the_seed_and_its_number_alone() -> None:
    schedule = RectifiedFlow()
    data, missing = Gaussian(0.3, 0.5, schedule), torch.tensor([[False, True]])

    def fill(items: range) -> Tensor:
        *_, last = inpaint(
            SAMPLERS["ddpm"],
            data.denoise,
            torch.zeros(len(items), 2, dtype=torch.float64),
            missing,
            plan_times(schedule, 8),
            schedule,
            Random(4, items),
        )
        return last.x0

    torch.testing.assert_close(fill(range(5))[3:], fill(range(3, 5)), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("num_steps", "jump", "times", "path"),
    [
        (4, 2, 1, [0, 1, 2, 3, 4]),
        (4, 2, 2, [0, 1, 2, 0, 1, 2, 3, 4, 2, 3, 4]),
        (3, 1, 3, [0, 1, 0, 1, 0, 1, 2, 1, 2, 1, 2, 3, 2, 3, 2, 3]),
        (3, 2, 2, [0, 1, 2, 3, 1, 2, 3]),
        (2, 9, 2, [0, 1, 2, 0, 1, 2]),
    ],
)
def test_the_path_of_resampling(num_steps: int, jump: int, times: int, path: list[int]) -> None:
    assert resampling_path(num_steps, jump, times) == path


def test_resampling_needs_one_move_and_one_time() -> None:
    for jump, times in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match=f"jump {jump} and resamplings {times}"):
            resampling_path(10, jump, times)


# Varying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ddim", "heun", "ddpm"])
def test_a_strength_of_next_to_nothing_is_the_identity(name: str) -> None:
    schedule = RectifiedFlow()
    data, x0 = Gaussian(0.3, 0.5, schedule), normal(5, 3)
    errors = []
    for strength in (1e-2, 1e-4):
        plan = plan_times(schedule, 10)
        walk = vary(SAMPLERS[name], data.denoise, x0, strength, plan, schedule, Random(0, range(5)))
        *_, last = walk
        errors.append(float((last.x0 - x0).abs().max()))
    assert errors[1] < 1e-3 and errors[1] < errors[0] / 50


def test_at_full_strength_the_picture_is_forgotten() -> None:
    schedule = RectifiedFlow()
    data, plan = Gaussian(0.3, 0.5, schedule), plan_times(schedule, 10)

    def varied(x0: Tensor) -> Tensor:
        walk = vary(SAMPLERS["heun"], data.denoise, x0, 1.0, plan, schedule, Random(0, range(5)))
        *_, last = walk
        return last.x0

    torch.testing.assert_close(varied(normal(5, 3)), varied(normal(5, 3, seed=1)))


@schedules
def test_varying_a_sample_gives_a_sample_that_remembers(schedule: Schedule) -> None:
    """x0 and what is made of it agree as two draws of p(x0 | xt) do."""
    data, num, strength = Gaussian(0.0, 0.5, schedule), 6000, 0.5
    x0 = 0.5 * normal(num, 1)
    plan = plan_times(schedule, 200)
    walk = vary(SAMPLERS["ddpm"], data.denoise, x0, strength, plan, schedule, Random(0, range(num)))
    *_, last = walk
    t = torch.tensor(strength, dtype=torch.float64)
    t = schedule.t_min + t * (schedule.t_max - schedule.t_min)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    expected = (alpha * 0.5) ** 2 / ((alpha * 0.5) ** 2 + sigma**2)
    correlation = float(torch.corrcoef(torch.cat([x0, last.x0], dim=1).mT)[0, 1])
    assert float(last.x0.std()) == pytest.approx(0.5, abs=0.02)
    assert correlation == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, math.nan])
def test_a_strength_beyond_its_range_is_refused(strength: float) -> None:
    schedule = RectifiedFlow()
    data, plan = Gaussian(0.3, 0.5, schedule), plan_times(schedule, 10)
    with pytest.raises(ValueError, match="allowed is above 0"):
        vary(SAMPLERS["heun"], data.denoise, normal(1, 1), strength, plan, schedule, Random(0, [0]))


# There and back --------------------------------------------------------------------------------


def there_and_back(name: str, schedule: Schedule, num_steps: int) -> float:
    data, x0 = Gaussian(0.3, 0.5, schedule), 0.3 + 0.5 * normal(8, 2)
    plan = encoding_plan(plan_times(schedule, num_steps), schedule)
    random = Random(0, range(8))
    *_, up = encode(SAMPLERS[name], data.denoise, x0, plan, schedule, random)
    *_, down = decode(SAMPLERS[name], data.denoise, up.x, plan, schedule, random)
    return float((down.x0 - x0).abs().mean())


@pytest.mark.parametrize("schedule", [Cosine(), RectifiedFlow(), LinearBeta()], ids=repr)
@pytest.mark.parametrize("name", INVERTIBLE)
def test_the_way_there_and_back_errs_at_the_samplers_order(name: str, schedule: Schedule) -> None:
    coarse, fine = there_and_back(name, schedule, 80), there_and_back(name, schedule, 160)
    assert fine < 0.02
    assert math.log2(coarse / fine) >= ORDER[name] - 0.2


@schedules
def test_what_is_encoded_is_the_noise_of_the_exact_path(schedule: Schedule) -> None:
    data, x0 = Gaussian(0.3, 0.5, schedule), 0.3 + 0.5 * normal(8, 2)
    plan = encoding_plan(plan_times(schedule, 400), schedule)
    *_, last = encode(SAMPLERS["heun"], data.denoise, x0, plan, schedule, Random(0, range(8)))
    expected = data.path(float(schedule.alpha(plan[-1])) * x0, plan[-1], plan[0])
    torch.testing.assert_close(last.x, expected, rtol=2e-2, atol=2e-2)


@schedules
def test_encoding_ends_where_the_noise_is_below_a_step_of_8_bits(schedule: Schedule) -> None:
    plan = encoding_plan(plan_times(schedule, 20), schedule)
    assert bool((plan.diff() < 0).all())
    ratio = float(schedule.sigma(plan[-1]) / schedule.alpha(plan[-1]))
    assert 0 < ratio <= max(1 / 255 + 1e-9, float(schedule.sigma(torch.tensor(schedule.t_min))))


def test_slerp_keeps_the_norm_and_turns_evenly() -> None:
    a, b = normal(4, 3, 5), normal(4, 3, 5, seed=1)
    b = b * (a.flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1))[:, None, None]
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    way = [slerp(a, b, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for x in way:
        torch.testing.assert_close(x.flatten(1).norm(dim=1), a.flatten(1).norm(dim=1))
    steps = [(y - x).flatten(1).norm(dim=1) for x, y in itertools.pairwise(way)]
    for step in steps[1:]:
        torch.testing.assert_close(step, steps[0])
    torch.testing.assert_close(slerp(a, 2 * a, 0.5), 1.5 * a)  # where there is no arc


# Enlarging -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SAMPLERS.keys() - set(ADAPTIVE)))
def test_what_is_enlarged_has_the_averages_that_were_given(name: str) -> None:
    schedule = RectifiedFlow()
    data, small = Gaussian(0.3, 0.5, schedule), normal(1, 3, 2, 4).clamp(-1, 1)
    x = normal(2, 3, 6, 12, seed=1)
    plan = plan_times(schedule, 6)
    denoise = averaging_to(data.denoise, small)
    *_, last = SAMPLERS[name](denoise, x, plan, schedule, Random(0, range(2)))
    found = with_averages(last.x0, small)
    torch.testing.assert_close(averages(found, (2, 4)), small.expand(2, -1, -1, -1))
    if name in ("ddpm", "ddim", "dpm++2m"):  # their last x0 is the denoiser's own
        torch.testing.assert_close(found, last.x0)
    # within a block only what the averages leave open is changed
    within_block = found - found[..., ::3, ::3].repeat_interleave(3, -1).repeat_interleave(3, -2)
    before = last.x0 - last.x0[..., ::3, ::3].repeat_interleave(3, -1).repeat_interleave(3, -2)
    torch.testing.assert_close(within_block, before)


def test_a_picture_within_the_range_of_pixels_has_the_averages_too() -> None:
    small = torch.tensor([[[[-1.0, -0.9], [0.5, 1.0]]]]).double()
    found = within(3 * normal(1, 1, 8, 8), small)
    assert float(found.abs().max()) <= 1
    torch.testing.assert_close(averages(found, (2, 2)), small, rtol=0, atol=1e-3)
