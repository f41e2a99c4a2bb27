"""The forward process: schedules, what the targets say of one another, closed-form denoisers."""

from typing import get_args

import torch
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Denoiser, Prediction, Statistics
from noiseloom.diffusion.exact import Gaussian, Mixture
from noiseloom.diffusion.objectives import EDMLoss
from noiseloom.diffusion.process import READ, Target, add_noise
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, Schedule
from noiseloom.proofs import Check

STEP = 1e-5  # of finite differences, in t


def times(schedule: Schedule, num: int) -> Tensor:
    """Times inside a schedule's range, float64."""
    inner = torch.linspace(0.0217, 0.9783, num, dtype=torch.float64)  # no knot of a table
    return schedule.t_min + inner * (schedule.t_max - schedule.t_min)


def derivatives(name: str) -> float:
    """The largest relative error of alpha' and sigma' against central differences."""
    schedule = SCHEDULES[name]()
    t = times(schedule, 50)
    at, before, after = schedule.at(t), schedule.at(t - STEP), schedule.at(t + STEP)
    slopes = [
        ((after.alpha - before.alpha) / (2 * STEP), at.d_alpha),
        ((after.sigma - before.sigma) / (2 * STEP), at.d_sigma),
    ]
    return max(float(((a - b).abs() / b.abs().clamp(min=1e-3)).max()) for a, b in slopes)


def log_snr_round_trip() -> float:
    """The largest |t(log-SNR(t)) - t| over all schedules."""
    errors = []
    for cls in SCHEDULES.values():
        t = times(cls(), 50)
        errors.append(float((cls().t_of_log_snr(cls().log_snr(t)) - t).abs().max()))
    return max(errors)


def conversions() -> float:
    """The largest error of any target read off a prediction of any other, on every schedule."""
    generator = torch.Generator().manual_seed(0)
    errors = []
    for cls in SCHEDULES.values():
        schedule = cls()
        x0, noise = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
        t = schedule.t_min + torch.linspace(0.05, 0.9, 40, dtype=torch.float64) * (
            schedule.t_max - schedule.t_min
        )
        at = schedule.at(t, like=x0)
        xt = add_noise(schedule, x0, noise, t)
        targets: tuple[Target, ...] = get_args(Target)
        for target in targets:
            prediction = Prediction(READ[target](x0, noise, at), target, xt, at)
            for other in targets:
                truth = READ[other](x0, noise, at)
                scale = truth.abs().clamp(min=1)
                errors.append(float(((prediction.read(other) - truth).abs() / scale).max()))
    return max(errors)


def mixture(schedule: Schedule) -> Mixture:
    """Three round Gaussians in the plane, of unequal weight and width."""
    means = torch.tensor([[-1.0, 0.5], [0.8, 0.9], [0.2, -1.1]], dtype=torch.float64)
    stds = torch.tensor([0.3, 0.2, 0.4], dtype=torch.float64)
    weights = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    return Mixture(means, stds, weights, schedule)


def mixture_score() -> float:
    """The largest difference between the score and the gradient of the log density, mixture."""
    data = mixture(Cosine())
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.linspace(0.05, 0.95, 200, dtype=torch.float64)
    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(data.log_density(x, t).sum(), x)
    score = data.denoise(x.detach(), t).score
    return float(((score - gradient).abs() / gradient.abs().clamp(min=1)).max())


def mixture_marginal() -> float:
    """The total probability of a mixture's noised density, by summing over a fine grid."""
    axis = torch.linspace(-6, 6, 241, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    density = mixture(Cosine()).log_density(points, torch.tensor(0.4, dtype=torch.float64)).exp()
    return float(density.sum() * (axis[1] - axis[0]) ** 2)


class _Nothing(nn.Module):
    """A network that answers 0."""

    def forward(self, x: Tensor, level: Tensor, condition: object, random: object) -> Tensor:
        return torch.zeros_like(x)


def _untrained(schedule: Schedule, mean: float, std: float) -> Denoiser:
    known = Statistics(torch.tensor(mean, dtype=torch.float64), std)
    return Denoiser(
        _Nothing(), schedule, target="x0", preconditioning="edm", statistics=known
    ).double()


def preconditioning() -> float:
    """The largest error of an untrained `edm` denoiser on the Gaussian it is made for."""
    errors = []
    for cls in SCHEDULES.values():
        schedule, t = cls(), times(cls(), 40)
        x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        exact = Gaussian(0.3, 0.7, schedule).denoise(x, t).x0
        errors.append(float((_untrained(schedule, 0.3, 0.7)(x, t).x0 - exact).abs().max()))
    return max(errors)


def edm_loss() -> float:
    """The mean loss of an untrained `edm` denoiser, over noise levels."""
    schedule, num, std = EDM(), 20_000, 0.5
    generator = torch.Generator().manual_seed(0)
    x0 = std * torch.randn(num, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(num, 4, generator=generator, dtype=torch.float64)
    t = torch.linspace(0.2, 1, num, dtype=torch.float64)
    denoiser = _untrained(schedule, 0.0, std)
    prediction = denoiser(add_noise(schedule, x0, noise, t), t)
    return float(EDMLoss().losses(prediction, x0, noise, t, schedule).mean())


CHECKS = (
    *(
        Check(
            f"{name}: derivatives",
            "alpha' and sigma' against differences, largest relative error",
            0.0,
            1e-5,
            lambda name=name: derivatives(name),  # type: ignore[misc]
        )
        for name in SCHEDULES
    ),
    Check("log-SNR inverse", "t(log-SNR(t)) - t, all schedules", 0.0, 1e-9, log_snr_round_trip),
    Check("conversions", "every target from every other, all schedules", 0.0, 1e-9, conversions),
    Check("mixture: score", "against the gradient of log density", 0.0, 1e-9, mixture_score),
    Check(
        "mixture: density", "total probability of the noised density", 1.0, 1e-4, mixture_marginal
    ),
    Check("preconditioning", "F = 0 on the Gaussian it is exact for", 0.0, 1e-6, preconditioning),
    Check("edm loss", "of an untrained denoiser, 1 at every noise level", 1.0, 0.02, edm_loss),
)
