import pytest
import torch
from torch import nn

from noiseloom.diffusion.denoiser import MOST_LOG_SNR, Denoiser, Statistics
from noiseloom.diffusion.exact import Gaussian
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.objectives import Simple, VelocityLoss
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import EDM, SCHEDULES, RectifiedFlow
from noiseloom.diffusion.times import TIMES, LogitNormal
from noiseloom.seeds import Random


def known(std: float = 0.5, mean: float = 0.0) -> Statistics:
    return Statistics(torch.tensor(mean, dtype=torch.float64), std)


class Zero(nn.Module):
    """F = 0, and a record of what it was given."""

    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        self.seen, self.level = x, level
        return torch.zeros_like(x)


class ByLabel(nn.Module):
    """Answers its condition everywhere, and counts its calls."""

    calls = 0

    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        self.calls += len(x)
        return condition.to(x)[:, None].expand_as(x)


@pytest.mark.parametrize("name", SCHEDULES)
def test_edm_preconditioning_of_zero_is_exact_for_a_gaussian(name: str) -> None:
    schedule = SCHEDULES[name]()
    denoiser = Denoiser(
        Zero(), schedule, target="x0", preconditioning="edm", statistics=known(0.7, 0.3)
    )
    t = torch.linspace(0.05, 0.95, 20, dtype=torch.float64)
    xt = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = Gaussian(0.3, 0.7, schedule).denoise(xt, t).x0
    torch.testing.assert_close(denoiser(xt, t).x0, exact)


def test_edm_weighted_loss_is_one_at_every_sigma() -> None:
    schedule, s, num = EDM(), 0.5, 20000
    denoiser = Denoiser(Zero(), schedule, target="x0", preconditioning="edm", statistics=known(s))
    generator = torch.Generator().manual_seed(0)
    for t in (0.1, 0.5, 0.9):
        x0 = s * torch.randn(num, 1, generator=generator, dtype=torch.float64)
        noise = torch.randn(num, 1, generator=generator, dtype=torch.float64)
        times = torch.full((num,), t, dtype=torch.float64)
        prediction = denoiser(add_noise(schedule, x0, noise, times), times)
        sigma2 = float(schedule.sigma(times[:1])) ** 2
        loss = Simple().losses(prediction, x0, noise, times, schedule).mean()
        assert float(loss) * (sigma2 + s**2) / (sigma2 * s**2) == pytest.approx(1, rel=0.05)


def test_the_network_sees_unit_variance() -> None:
    network = Zero()
    denoiser = Denoiser(network, EDM(), target="x0", statistics=known())
    t = torch.full((4000,), 0.9)
    x0 = 0.5 * torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(4000, 1, generator=torch.Generator().manual_seed(1))
    denoiser(add_noise(EDM(), x0, noise, t), t)
    assert float(network.seen.std()) == pytest.approx(1, rel=0.05)


def test_edm_preconditioning_needs_x0() -> None:
    with pytest.raises(ValueError, match="use target x0"):
        Denoiser(Zero(), EDM(), target="v", preconditioning="edm", statistics=known())


@pytest.mark.parametrize("name", SCHEDULES)
def test_velocity_loss_of_x0_is_the_error_of_the_velocity(name: str) -> None:
    schedule = SCHEDULES[name]()
    generator = torch.Generator().manual_seed(0)
    x0, noise, guess = torch.randn(3, 10, 4, generator=generator, dtype=torch.float64)
    t = torch.linspace(0.3, 0.9, 10, dtype=torch.float64)
    denoiser = Denoiser(Constant(guess), schedule, target="x0", statistics=known())
    prediction = denoiser(add_noise(schedule, x0, noise, t), t)
    at = schedule.at(t, like=x0)
    truth = at.d_alpha * x0 + at.d_sigma * noise
    expected = (prediction.velocity - truth).square().mean(1)
    losses = VelocityLoss().losses(prediction, x0, noise, t, schedule)
    torch.testing.assert_close(losses, expected)


class Constant(nn.Module):
    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
        return self.answer


def test_the_velocity_weight_is_bounded_near_the_data() -> None:
    x0 = torch.zeros(1, 1)
    t = torch.tensor([1e-4])
    denoiser = Denoiser(
        Constant(torch.ones(1, 1)), RectifiedFlow(), target="x0", statistics=known()
    )
    prediction = denoiser(x0, t)
    loss = VelocityLoss(t_floor=0.05).losses(prediction, x0, x0, t, RectifiedFlow())
    assert float(loss) == pytest.approx(1 / 0.05**2)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("schedule", [cls() for cls in SCHEDULES.values()], ids=list(SCHEDULES))
def test_times_lie_in_the_range_of_the_schedule(name, schedule) -> None:  # type: ignore[no-untyped-def]
    t = TIMES[name]().sample(schedule, Random(0, range(5000)))
    assert t.dtype == torch.float32 and t.shape == (5000,)
    assert schedule.t_min <= float(t.min()) and float(t.max()) <= schedule.t_max


def test_logit_normal_has_its_mean_and_spread() -> None:
    times = LogitNormal(mean=0.4, std=0.8, uniform=0.0)
    logits = torch.logit(times.sample(RectifiedFlow(), Random(0, range(20000))))
    assert float(logits.mean()) == pytest.approx(0.4, abs=0.02)
    assert float(logits.std()) == pytest.approx(0.8, abs=0.02)


def test_a_share_of_the_logit_normal_times_is_spread_evenly() -> None:
    u = torch.linspace(0, 1, 20001, dtype=torch.float64)[1:-1]
    t = LogitNormal(mean=0.4, std=0.8, uniform=0.25).quantile(u, RectifiedFlow())
    normal = torch.distributions.Normal(0.4, 0.8)
    for below in (0.02, 0.3, 0.9, 0.99):
        share = 0.25 * below + 0.75 * float(normal.cdf(torch.logit(torch.tensor(below))))
        assert float((t < below).double().mean()) == pytest.approx(share, abs=1e-3)
    evenly = LogitNormal(uniform=1.0).quantile(u, RectifiedFlow())
    torch.testing.assert_close(evenly, u)


def test_guidance_follows_the_convention_where_one_is_off() -> None:
    network = ByLabel()
    denoiser = Denoiser(network, RectifiedFlow(), target="x0", statistics=known())
    x, condition, none = torch.zeros(2, 1), torch.tensor([3, 5]), torch.tensor([1, 1])
    t = torch.full((2,), 0.5)
    guided = ClassifierFree(scale=2.0).wrap(denoiser, condition, none)(x, t)
    assert guided.x0.flatten().tolist() == [1 + 2 * (3 - 1), 1 + 2 * (5 - 1)]
    assert network.calls == 4
    plain = ClassifierFree(scale=1.0).wrap(denoiser, condition, none)(x, t)
    assert plain.x0.flatten().tolist() == [3, 5]
    assert network.calls == 6


def test_guidance_costs_nothing_outside_its_interval() -> None:
    network = ByLabel()
    denoiser = Denoiser(network, RectifiedFlow(), target="x0", statistics=known())
    guide = ClassifierFree(scale=3.0, interval=(0.2, 0.6)).wrap(
        denoiser, torch.tensor([3]), torch.tensor([1])
    )
    assert float(guide(torch.zeros(1, 1), torch.tensor([0.9])).x0) == 3
    assert network.calls == 1
    assert float(guide(torch.zeros(1, 1), torch.tensor([0.5])).x0) == 7


def test_the_network_is_told_karras_noise_level() -> None:
    network = Zero()
    denoiser = Denoiser(network, EDM(), target="x0", statistics=known())
    t = torch.linspace(0.3, 0.9, 5, dtype=torch.float64)
    denoiser(torch.zeros(5, 1, dtype=torch.float64), t)
    torch.testing.assert_close(network.level, EDM().sigma(t).log() / 4)
    flow = Denoiser(network, RectifiedFlow(), target="x0", statistics=known())
    flow(torch.zeros(2, 1), torch.tensor([0.0, 1.0]))
    assert network.level.tolist() == [-MOST_LOG_SNR / 8, MOST_LOG_SNR / 8]


def test_a_network_may_be_told_of_less_noise_than_usual() -> None:
    network = Zero()
    flow = Denoiser(network, RectifiedFlow(), target="x0", statistics=known(), most_log_snr=13.0)
    t = RectifiedFlow().t_of_log_snr(torch.tensor([15.0, 12.0, 3.0], dtype=torch.float64))
    flow(torch.zeros(3, 1, dtype=torch.float64), t)
    torch.testing.assert_close(network.level, torch.tensor([-13.0, -12.0, -3.0]).double() / 8)


def test_the_extreme_times_of_a_batch_are_finite() -> None:
    """The last stratum once rounded to 1, where the inverse normal is not finite."""
    random = Random(0, range(256), step=63_083, total=256)
    u = random.stratified("times")
    assert float(u.min()) > 0 and float(u.max()) < 1
    edges = torch.tensor([2.0**-25 / 4096, 1 - 2.0**-25 / 4096], dtype=torch.float64)
    for cls in TIMES.values():
        assert cls().sample(RectifiedFlow(), random).isfinite().all()
        assert cls().quantile(edges, RectifiedFlow()).isfinite().all()


def test_a_time_for_each_part_equals_one_for_all() -> None:
    class Levels(nn.Module):
        def forward(self, x, level, condition=None, random=None):  # type: ignore[no-untyped-def]
            return x * (level if level.ndim > 1 else level[:, None, None, None])

    denoiser = Denoiser(Levels(), RectifiedFlow(), target="velocity", statistics=known())
    xt = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    t = torch.tensor([0.3, 0.8], dtype=torch.float64)
    parts = t[:, None, None, None].expand(2, 1, 4, 4)
    for target in ("x0", "noise", "velocity"):
        torch.testing.assert_close(denoiser(xt, parts).read(target), denoiser(xt, t).read(target))
