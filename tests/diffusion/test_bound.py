"""The variational bound, term by term: by hand, against known densities, and as an objective."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence

from noiseloom.data.forms import ImageForm
from noiseloom.diffusion.bound import Chain, prior
from noiseloom.diffusion.denoiser import Prediction, Statistics
from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.levels import Levels
from noiseloom.diffusion.objectives import ContinuousBound, Hybrid, Variational
from noiseloom.diffusion.posterior import between, variances
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, LinearBeta, RectifiedFlow
from noiseloom.diffusion.times import TIMES, Uniform, UniformLogSNR

BYTE = Levels(-1.0, 1 / 127.5, 256)


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def believing(x0: Tensor, xt: Tensor, t: Tensor, schedule, **more) -> Prediction:  # type: ignore[no-untyped-def]
    return Prediction(x0, "x0", xt, schedule.at(t, like=xt), **more)


# Posterior --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_variances_are_those_of_a_point_and_of_a_gaussian(name: str) -> None:
    """By conditioning the joint Gaussian of (x_s, x_t), whose covariance is written out."""
    schedule, s = SCHEDULES[name](), 0.7
    at, to = schedule.at(double(0.6)), schedule.at(double(0.4))
    ratio = at.alpha / to.alpha
    fresh = at.sigma**2 - ratio**2 * to.sigma**2
    for spread, name in ((0.0, "low"), (s, "high")):
        v_s = to.alpha**2 * spread**2 + to.sigma**2
        v_t = ratio**2 * v_s + fresh
        conditional = v_s - (ratio * v_s) ** 2 / v_t
        torch.testing.assert_close(getattr(variances(at, to, s), name), conditional)


def test_for_unit_data_they_are_the_two_of_the_paper() -> None:
    schedule = LinearBeta()
    at, to = schedule.at(double(0.5)), schedule.at(double(0.45))
    beta = 1 - (at.alpha / to.alpha) ** 2
    both = variances(at, to)
    torch.testing.assert_close(both.high, beta)
    torch.testing.assert_close(both.low, (1 - to.alpha**2) / (1 - at.alpha**2) * beta)
    torch.testing.assert_close(between(both, double(0.0)), both.low)
    torch.testing.assert_close(between(both, double(1.0)), both.high)
    torch.testing.assert_close(between(both, double(0.5)), (both.low * both.high).sqrt())
    assert between(both, None) is both.low


# Levels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "std"), [(0.1, 0.3), (-3.0, 0.05), (0.999, 1e-3), (0.0, 5.0)])
def test_the_levels_of_a_cut_gaussian_have_probability_one(mean: float, std: float) -> None:
    x = BYTE.low + BYTE.step * torch.arange(256, dtype=torch.float64)
    log_p = BYTE.log_probability(x, torch.full_like(x, mean), torch.full_like(x, std**2))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)
    normal = Normal(double(mean), double(std))
    inner = normal.cdf(x + BYTE.step / 2) - normal.cdf(x - BYTE.step / 2)
    torch.testing.assert_close(log_p[1:-1].exp(), inner[1:-1], rtol=1e-6, atol=1e-12)


def test_they_are_those_of_stored_images() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    form = ImageForm(item_shape=(1, 16, 16))
    levels = Levels(*form.levels)
    assert levels == BYTE
    values = levels.low + levels.step * torch.arange(256)
    torch.testing.assert_close(form.to_model(stored).flatten(), values, rtol=0, atol=1e-6)


def test_far_from_its_mean_a_level_keeps_a_finite_probability_and_gradient() -> None:
    mean = torch.tensor([1.0, -1.0, 0.0], requires_grad=True)
    log_p = BYTE.log_probability(torch.tensor([-1.0, 1.0, 1.0]), mean, torch.full((3,), 1e-6))
    log_p.sum().backward()
    assert log_p.isfinite().all() and (log_p < -1e5).all()
    assert mean.grad is not None and mean.grad.isfinite().all() and mean.grad.abs().min() > 0


def test_reading_a_level_off_is_bayes_rule() -> None:
    three = Levels(-1.0, 1.0, 3)
    read = double(-0.2, 0.9)[:, None]
    values = double(-1.0, 0.0, 1.0)
    weights = torch.exp(-0.5 * ((read - values) / 0.4) ** 2)
    expected = (weights / weights.sum(dim=1, keepdim=True)).log()
    for index, value in enumerate(values):
        x0 = torch.full_like(read, value)
        got = three.log_read(x0, read, double(0.4))
        torch.testing.assert_close(got[:, 0], expected[:, index])


# The chain --------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_term_is_the_divergence_of_two_gaussians(name: str, v: float | None) -> None:
    """Both are written out from Bayes' rule, and torch takes the divergence."""
    schedule, s = SCHEDULES[name](), 0.6
    chain = Chain(schedule, 4)
    x0, guess, noise = torch.randn(3, 5, 2, dtype=torch.float64)
    for place in (2, 3, 4):
        index = torch.full((5,), place)
        t, before = chain.time(index), chain.time(index - 1)
        at, to = schedule.at(t, like=x0), schedule.at(before, like=x0)
        xt = add_noise(schedule, x0, noise, t)
        ratio = at.alpha / to.alpha
        fresh = at.sigma**2 - ratio**2 * to.sigma**2
        least = to.sigma**2 * fresh / at.sigma**2

        def posterior(x: Tensor, variance: Tensor) -> Normal:
            mean = ratio * to.sigma**2 * xt + to.alpha * fresh * x  # noqa: B023
            return Normal(mean / at.sigma**2, variance.sqrt())  # noqa: B023

        v_s = to.alpha**2 * s**2 + to.sigma**2
        most = fresh * v_s / (ratio**2 * v_s + fresh)
        chosen = least if v is None else torch.exp(v * most.log() + (1 - v) * least.log())
        expected = kl_divergence(posterior(x0, least), posterior(guess, chosen))
        interpolation = None if v is None else torch.full_like(x0, v)
        said = believing(guess, xt, t, schedule, data_std=double(s)[0], interpolation=interpolation)
        torch.testing.assert_close(chain.terms(said, x0, index), expected, rtol=1e-6, atol=1e-9)


def test_with_the_least_variance_a_term_is_half_the_fall_in_snr_of_the_error() -> None:
    chain = Chain(Cosine(), 10)
    index = torch.arange(2, 10)
    x0, guess = torch.randn(2, 8, 3, dtype=torch.float64)
    t = chain.time(index)
    fall = Cosine().log_snr(chain.time(index - 1)).exp() - Cosine().log_snr(t).exp()
    got = chain.terms(believing(guess, x0, t, Cosine()), x0, index)
    torch.testing.assert_close(got, 0.5 * fall[:, None] * (guess - x0) ** 2)


def test_the_first_step_decodes_the_data() -> None:
    schedule, chain = Cosine(), Chain(Cosine(), 8)
    index = torch.tensor([1, 3])
    t = chain.time(index)
    x0, guess = torch.tensor([[0.5], [0.1]]).double() / 127.5 * 10, torch.zeros(2, 1).double()
    second, first = schedule.at(chain.time(torch.tensor(2))), schedule.at(t[0])
    std = (
        first.sigma**2 * (1 - (second.alpha * first.sigma) ** 2 / (first.alpha * second.sigma) ** 2)
    ).sqrt()
    said = believing(guess, x0, t, schedule)
    got = chain.terms(said, x0, index)
    torch.testing.assert_close(got[0], -Normal(guess[0], std).log_prob(x0[0]))
    cut = chain.terms(replace(said, levels=BYTE), x0, index)
    normal, half = Normal(guess[0], std), 0.5 / 127.5
    mass = normal.cdf(x0[0] + half) - normal.cdf(x0[0] - half)
    torch.testing.assert_close(cut[0], -mass.log())
    torch.testing.assert_close(cut[1], got[1])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_prior_is_the_divergence_from_the_data_s_own_gaussian(name: str) -> None:
    schedule, t = SCHEDULES[name](), double(0.7)
    x0 = torch.randn(1, 6, dtype=torch.float64)
    at = schedule.at(t[0])
    own = Normal(at.alpha * x0, at.sigma.expand_as(x0))
    wide = Normal(at.alpha * 0.2, (at.alpha**2 * 0.9**2 + at.sigma**2).sqrt())
    got = prior(schedule, x0, t, Statistics(torch.tensor(0.2), 0.9))
    torch.testing.assert_close(got, kl_divergence(own, wide), rtol=1e-6, atol=1e-8)


# As objectives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("schedule", [RectifiedFlow(), EDM(), LinearBeta()], ids=repr)
def test_the_density_of_times_is_the_slope_of_their_distribution(times, schedule) -> None:  # type: ignore[no-untyped-def]
    drawn = TIMES[times]()
    u = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    h = 1e-5
    slope = (drawn.quantile(u + h, schedule) - drawn.quantile(u - h, schedule)).abs() / (2 * h)
    t = drawn.quantile(u, schedule)
    inside = (t > schedule.t_min) & (t < schedule.t_max)
    assert int(inside.sum()) > 10
    density = drawn.density(t, schedule)
    if times == "logit-normal":  # its quantiles join two parts, which may both reach a time
        density = density - 0.02 / (schedule.t_max - schedule.t_min)
    torch.testing.assert_close(1 / slope[inside], density[inside], rtol=1e-4, atol=0)


@pytest.mark.parametrize("times", [Uniform(), TIMES["logit-normal"](), TIMES["uniform-log-snr"]()])
def test_the_mean_over_drawn_times_is_the_sum_over_all_steps(times) -> None:  # type: ignore[no-untyped-def]
    schedule, x0 = Cosine(), torch.full((1, 2), 0.3, dtype=torch.float64)
    chain, objective = Chain(schedule, 7), Variational(steps=7)

    def say(t: Tensor) -> Prediction:  # an error that differs from step to step
        guess = x0 + 0.2 * t[:, None]
        return believing(guess, guess, t, schedule, data_std=double(0.5)[0])

    every = torch.arange(1, 8)
    total = chain.terms(say(chain.time(every)), x0.expand(7, 2), every).mean(dim=1).sum()
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    drawn = times.quantile(u, schedule).clamp(schedule.t_min, schedule.t_max)
    t, density = objective.visited(drawn, schedule), times.density(drawn, schedule)
    many = x0.expand(len(t), 2)
    losses = objective.losses(say(t), many, many, t, schedule, density)
    rel = (
        2e-3 if not isinstance(times, UniformLogSNR) else 0.02
    )  # beyond its range nothing is drawn
    assert float(losses.mean()) == pytest.approx(float(total), rel=rel)


def test_the_continuous_bound_does_not_depend_on_the_schedule_or_the_times() -> None:
    """Of an error that is a function of the log-SNR, over the same range of it (eq. 17, 18)."""
    costs = []
    for schedule in (RectifiedFlow(), Cosine(), EDM(), LinearBeta(beta_min=0.01, t_min=1e-4)):
        for times in (UniformLogSNR(lowest=-6, highest=8), Uniform(), TIMES["logit-normal"]()):
            u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
            t = times.quantile(u, schedule).clamp(schedule.t_min, schedule.t_max)
            error = torch.where(schedule.log_snr(t) < -6, 0.0, torch.exp(-schedule.log_snr(t) / 2))
            x0 = torch.zeros(len(t), 1, dtype=torch.float64)
            said = believing(error[:, None], x0, t, schedule)
            losses = ContinuousBound(highest_log_snr=8.0).losses(
                said, x0, x0, t, schedule, times.density(t, schedule)
            )
            costs.append(float(losses.mean()))
    assert costs == pytest.approx([14 / 2] * len(costs), rel=0.02)


def test_hybrid_trains_the_mean_by_the_simple_loss_alone() -> None:
    schedule = Cosine()
    x0, noise = torch.randn(2, 6, 3, dtype=torch.float64)
    t = Chain(schedule, 20).visited(torch.linspace(0.1, 0.9, 6, dtype=torch.float64))
    guess = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    place = torch.full((6, 3), 0.4, dtype=torch.float64, requires_grad=True)
    said = believing(
        guess,
        add_noise(schedule, x0, noise, t),
        t,
        schedule,
        data_std=double(1.0)[0],
        interpolation=place,
    )
    losses = Hybrid(steps=20, bound=0.5).losses(said, x0, noise, t, schedule)
    losses.sum().backward()
    torch.testing.assert_close(guess.grad, 2 * (guess - x0).detach() / 3)
    alone = torch.full((6, 3), 0.4, dtype=torch.float64, requires_grad=True)
    bound = Variational(steps=20).losses(
        replace(said, output=guess.detach(), interpolation=alone), x0, noise, t, schedule
    )
    bound.sum().backward()
    assert alone.grad is not None and bool(alone.grad.abs().min() > 0)
    torch.testing.assert_close(place.grad, 0.5 * alone.grad)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chain_on_a_gaussian_is_exact_with_the_largest_variance(steps: int) -> None:
    """The true steps back are then Gaussians of that variance: the bound is the entropy itself."""
    schedule, data = RectifiedFlow(), Gaussian(0.3, 0.5, RectifiedFlow())
    chain, generator = Chain(schedule, steps), torch.Generator().manual_seed(0)
    x0 = data.sample(40_000, 1, generator)
    total = prior(schedule, x0, chain.time(torch.tensor([steps])), Statistics(double(0.3), 0.5))
    for place in range(1, steps + 1):
        index = torch.full((len(x0),), place)
        t = chain.time(index)
        noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
        said = data.denoise(add_noise(schedule, x0, noise, t), t)
        said = replace(said, data_std=double(0.5)[0], interpolation=torch.ones_like(x0))
        total = total + chain.terms(said, x0, index)
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.25)
    error = float(total.std()) / len(x0) ** 0.5
    assert float(total.mean()) == pytest.approx(entropy, abs=4 * error)


@pytest.mark.parametrize(
    "wrong", [lambda: Variational(steps=0), lambda: Hybrid(bound=0), lambda: Hybrid(steps=0)]
)
def test_impossible_settings_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"at least 1|above 0"):
        wrong()


def test_a_uniform_level_costs_eight_bits_when_nothing_is_known() -> None:
    x = BYTE.low + BYTE.step * torch.arange(256, dtype=torch.float64)[:, None]
    log_p = BYTE.log_read(x, torch.zeros_like(x), double(1e6))
    assert float(-log_p.mean() / math.log(2)) == pytest.approx(8)
    assert float(Categorical(logits=log_p[:, 0]).entropy() / math.log(2)) == pytest.approx(8)
