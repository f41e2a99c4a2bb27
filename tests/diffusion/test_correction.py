"""A denoiser corrected by the exact ratio of two densities, which makes one's of the other's."""

import pytest
import torch
from torch import Tensor

from noiseloom.diffusion.correction import Corrected
from noiseloom.diffusion.exact import Gaussian, Mixture
from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.diffusion.schedules import EDM, Cosine, RectifiedFlow, Schedule
from noiseloom.seeds import Random

schedules = pytest.mark.parametrize("schedule", [RectifiedFlow(), Cosine(), EDM()], ids=repr)


def pair(schedule: Schedule) -> tuple[Gaussian, Gaussian]:
    """What a base draws, and what is real."""
    return Gaussian(0.3, 0.8, schedule), Gaussian(-0.5, 0.4, schedule)


def noisy(schedule: Schedule, num: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    span = schedule.t_max - schedule.t_min
    t = schedule.t_min + span * torch.linspace(0.05, 0.95, num, dtype=torch.float64)
    return torch.randn(num, 3, generator=generator, dtype=torch.float64), t


def corrected(base: Gaussian, real: Gaussian | Mixture, **how: object) -> Corrected:
    def log_ratio(xt: Tensor, t: Tensor) -> Tensor:
        return real.log_density(xt, t) - base.log_density(xt, t)

    return Corrected(base.denoise, log_ratio, base.schedule, **how)  # type: ignore[arg-type]


@schedules
def test_the_best_discriminator_gives_the_score_of_real_data(schedule: Schedule) -> None:
    base, real = pair(schedule)
    xt, t = noisy(schedule)
    with torch.no_grad():
        said = corrected(base, real)(xt, t)
    torch.testing.assert_close(said.score, real.denoise(xt, t).score)
    torch.testing.assert_close(said.x0, real.denoise(xt, t).x0)
    assert not said.x0.requires_grad


@schedules
def test_so_does_that_of_several_modes(schedule: Schedule) -> None:
    base, _ = pair(schedule)
    means = torch.tensor([[-1.0, 0.2, 0.5], [0.7, -0.4, 0.1]], dtype=torch.float64)
    stds, weights = (torch.tensor(x, dtype=torch.float64) for x in ([0.3, 0.5], [0.6, 0.4]))
    real = Mixture(means, stds, weights, schedule)
    xt, t = noisy(schedule)
    torch.testing.assert_close(corrected(base, real)(xt, t).x0, real.denoise(xt, t).x0)


def test_a_walk_so_corrected_ends_where_real_data_lies() -> None:
    schedule = RectifiedFlow()
    base, real = pair(schedule)
    plan = plan_times(schedule, 256)
    start = Random(0, range(8)).normal("start", (3,)).double()
    denoise = corrected(base, real)
    *_, step = SAMPLERS["heun"](denoise, start, plan, schedule, Random(0, range(8)))
    ends = torch.tensor([1.0, 0.0], dtype=torch.float64)
    truth = real.path(start, ends[0], ends[1])
    torch.testing.assert_close(step.x0, truth, rtol=0, atol=2e-3)
    away = base.path(start, ends[0], ends[1])
    assert (step.x0 - away).abs().mean() > 100 * (step.x0 - truth).abs().mean()


def test_the_scale_and_the_interval_say_how_much_and_when() -> None:
    schedule = RectifiedFlow()
    base, real = pair(schedule)
    xt, t = noisy(schedule)
    plain, full = base.denoise(xt, t).x0, real.denoise(xt, t).x0
    torch.testing.assert_close(corrected(base, real, scale=0.5)(xt, t).x0, (plain + full) / 2)
    assert torch.equal(corrected(base, real, scale=0.0)(xt, t).x0, plain)
    part = corrected(base, real, interval=(0.3, 0.6))(xt, t).x0
    inside = ((t >= 0.3) & (t <= 0.6))[:, None]
    assert bool(inside.any()) and not bool(inside.all())
    torch.testing.assert_close(part, torch.where(inside, full, plain))
    asked: list[Tensor] = []
    unasked = Corrected(base.denoise, lambda x, t: asked.append(t), schedule, 1.0, (0.0, 0.01))
    assert torch.equal(unasked(xt, t).x0, plain) and not asked


def test_pure_noise_is_not_corrected() -> None:
    base, real = pair(RectifiedFlow())
    xt, _ = noisy(RectifiedFlow())
    t = torch.ones(len(xt), dtype=torch.float64)
    assert torch.equal(corrected(base, real)(xt, t).x0, base.denoise(xt, t).x0)
