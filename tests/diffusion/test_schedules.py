import math

import pytest
import torch

from noiseloom.diffusion.process import Target, check_pairing
from noiseloom.diffusion.schedules import (
    EDM,
    SCHEDULES,
    Cosine,
    DiscreteBeta,
    LinearBeta,
    RectifiedFlow,
    Schedule,
    Sigmoid,
    expand,
)

ZERO_TERMINAL = LinearBeta(zero_terminal=True)
ALL = [*(cls() for cls in SCHEDULES.values()), ZERO_TERMINAL]
NAMES = [*SCHEDULES, "linear-beta, zero terminal"]


def inside(schedule: Schedule) -> torch.Tensor:
    return torch.linspace(0.01, 0.99, 99, dtype=torch.float64)


@pytest.mark.parametrize("schedule", ALL, ids=NAMES)
def test_derivatives_are_those_of_the_curves(schedule: Schedule) -> None:
    t = inside(schedule).requires_grad_()
    at = schedule.at(t)
    for curve, derivative in ((at.alpha, at.d_alpha), (at.sigma, at.d_sigma)):
        if curve.requires_grad:
            (slope,) = torch.autograd.grad(curve.sum(), t, retain_graph=True)
            torch.testing.assert_close(derivative, slope, rtol=1e-9, atol=1e-12)
        else:
            assert (derivative == 0).all()


@pytest.mark.parametrize("schedule", ALL, ids=NAMES)
def test_log_snr_falls_and_inverts(schedule: Schedule) -> None:
    t = inside(schedule)
    log_snr = schedule.log_snr(t)
    assert (log_snr.diff() < 0).all()
    torch.testing.assert_close(schedule.t_of_log_snr(log_snr), t, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "schedule",
    [LinearBeta(), ZERO_TERMINAL, DiscreteBeta(), Cosine(), Sigmoid(), Sigmoid(start=0, tau=0.3)],
)
def test_variance_is_preserved(schedule: Schedule) -> None:
    at = schedule.at(inside(schedule))
    torch.testing.assert_close(at.alpha**2 + at.sigma**2, torch.ones(99, dtype=torch.float64))


def test_known_values() -> None:
    one = torch.tensor(1.0, dtype=torch.float64)
    assert float(RectifiedFlow().alpha(one)) == 0.0
    assert float(Cosine().alpha(one)) == 0.0
    assert float(EDM().sigma(one)) == pytest.approx(80.0)
    assert float(EDM().sigma(0 * one)) == pytest.approx(0.002)
    # integral of beta over [0, 1] is (0.1 + 20) / 2 (Song et al. 2021, appendix C)
    assert float(LinearBeta().alpha(one)) == pytest.approx(math.exp(-0.25 * 20.1))


@pytest.mark.parametrize(("start", "end", "tau"), [(-3, 3, 1.0), (0, 3, 0.3), (-3, 1, 0.2)])
def test_sigmoid_is_that_of_the_paper(start: float, end: float, tau: float) -> None:
    """Against the lines of Chen 2023, algorithm 1, which subtract; both ends are exact here."""
    schedule = Sigmoid(start=start, end=end, tau=tau)
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    v_start, v_end = (1 / (1 + math.exp(-x / tau)) for x in (start, end))
    output = torch.sigmoid((t * (end - start) + start) / tau)
    gamma = (v_end - output) / (v_end - v_start)
    torch.testing.assert_close(schedule.alpha(t) ** 2, gamma, rtol=1e-9, atol=1e-13)
    assert schedule.alpha(t[:1]) == 1 and schedule.sigma(t[:1]) == 0
    assert schedule.alpha(t[-1:]) == 0 and schedule.sigma(t[-1:]) == pytest.approx(1, rel=1e-15)
    assert Sigmoid(clip=0.0).reaches_pure_noise


def test_the_inverse_of_sigmoid_is_exact_at_both_ends() -> None:
    for schedule in (Sigmoid(), Sigmoid(tau=0.2), Sigmoid(start=0, end=1, tau=2)):
        infinity = torch.tensor([math.inf, -math.inf], dtype=torch.float64)
        assert schedule.t_of_log_snr(infinity).tolist() == pytest.approx([0, 1], rel=1e-14)
        small = torch.logspace(-9, -3, 7, dtype=torch.float64)
        back = schedule.t_of_log_snr(schedule.log_snr(small))
        torch.testing.assert_close(back, small, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_only_a_range_to_minus_infinity_is_pure_noise(name: str) -> None:
    assert SCHEDULES[name]().reaches_pure_noise == (name in ("cosine", "rectified-flow"))


def test_a_clipped_range_is_not_pure_noise() -> None:
    for schedule in (Cosine(clip=1e-3), RectifiedFlow(clip=1e-3), Sigmoid(clip=1e-3)):
        assert schedule.t_max == 1 - 1e-3
        assert not schedule.reaches_pure_noise


def test_float32_times_are_computed_in_float64() -> None:
    t = torch.tensor(1e-6)
    exact = math.sqrt(-math.expm1(-0.5 * 1e-12 * 19.9 - 1e-6 * 0.1))
    assert float(LinearBeta().sigma(t)) == pytest.approx(exact, rel=1e-6)


def test_times_of_every_shape_broadcast() -> None:
    x = torch.zeros(2, 3, 4, 4)
    assert expand(torch.tensor(0.5), x).shape == ()
    assert expand(torch.zeros(2), x).shape == (2, 1, 1, 1)
    assert expand(torch.zeros(2, 1, 4, 4), x).shape == (2, 1, 4, 4)
    with pytest.raises(ValueError, match="t has shape"):
        expand(torch.zeros(2, 3), x)


def test_zero_terminal_is_the_algorithm_of_the_paper() -> None:
    """Lin et al. 2023, algorithm 1: sqrt(alpha_bar) is moved by its end, its start is kept."""
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    root = LinearBeta().alpha(t)
    moved = (root - root[-1]) * root[0] / (root[0] - root[-1])
    torch.testing.assert_close(ZERO_TERMINAL.alpha(t), moved, rtol=1e-12, atol=1e-15)
    assert float(ZERO_TERMINAL.alpha(t[-1:])) == 0 and float(ZERO_TERMINAL.sigma(t[-1:])) == 1
    assert ZERO_TERMINAL.reaches_pure_noise and not LinearBeta().reaches_pure_noise
    assert ZERO_TERMINAL.t_of_log_snr(torch.tensor([-math.inf]).double()).tolist() == [1.0]


@pytest.mark.parametrize("target", ["noise", "score"])
def test_noise_and_score_cannot_be_learned_where_the_terminal_snr_is_zero(target: Target) -> None:
    check_pairing(target, LinearBeta())
    with pytest.raises(ValueError, match="reaches pure noise"):
        check_pairing(target, ZERO_TERMINAL)


def test_a_table_of_betas_holds_the_products_of_the_paper() -> None:
    """Ho et al. 2020: alpha_bar_k is the product of 1 - beta up to k; all 1,000, at their times."""
    schedule = DiscreteBeta()
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bar = torch.cumprod(1 - betas, dim=0)
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    torch.testing.assert_close(schedule.alpha(t) ** 2, alpha_bar, rtol=1e-12, atol=0)
    assert (schedule.t_min, schedule.t_max, schedule.most_moves) == (0.001, 1.0, 999)
    ends = schedule.t_of_log_snr(schedule.log_snr(t[[0, -1]]))
    torch.testing.assert_close(ends, t[[0, -1]], rtol=0, atol=1e-12)


def test_betas_of_few_steps_stay_below_one() -> None:
    """What one of few steps adds follows from alpha at both its ends, never from a scaled rate."""
    for schedule in (LinearBeta(), DiscreteBeta(), Cosine(), ZERO_TERMINAL):
        alpha_bar = schedule.alpha(torch.linspace(0, 1, 5, dtype=torch.float64)) ** 2
        betas = 1 - alpha_bar[1:] / alpha_bar[:-1]
        assert (betas > 0).all() and (betas <= 1).all()
        assert (betas[:-1] < 1).all()


@pytest.mark.parametrize("schedule", ALL, ids=NAMES)
def test_float32_and_bfloat16_times_lose_nothing_but_their_own_digits(schedule: Schedule) -> None:
    t = torch.tensor([0.25, 0.5, 0.75])  # exact in all three
    exact = schedule.at(t.double())
    for dtype in (torch.float32, torch.bfloat16):
        for curve, truth in zip(schedule.at(t.to(dtype)), exact, strict=True):
            assert (curve == truth.to(dtype)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: DiscreteBeta(beta_first=0.03),
        lambda: DiscreteBeta(beta_last=1.0),
        lambda: DiscreteBeta(num_times=1),
        lambda: LinearBeta(beta_min=3.0, beta_max=2.0),
        lambda: EDM(sigma_min=0.0),
        lambda: Cosine(clip=0.9),
        lambda: RectifiedFlow(clip=-0.1),
        lambda: Sigmoid(start=1.0, end=1.0),
        lambda: Sigmoid(tau=0.0),
        lambda: Sigmoid(tau=0.01),
        lambda: Sigmoid(clip=0.9),
    ],
)
def test_impossible_settings_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="allowed is"):
        wrong()
