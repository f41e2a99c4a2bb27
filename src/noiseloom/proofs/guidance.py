"""Guidance on two Gaussian classes, whose denoisers and classifier are known exactly."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from noiseloom.config import RunReference
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.exact import Mixture
from noiseloom.diffusion.guidance import Autoguidance, ClassifierFree, ClassifierGuidance
from noiseloom.diffusion.schedules import Cosine, Schedule
from noiseloom.proofs import Check

MEANS = torch.tensor([[-0.8, -0.3, 0.2], [0.9, 0.7, 0.1]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.7, 0.3], dtype=torch.float64)
NO_LABEL = 2
OTHER = RunReference(run="known in closed form")


def _mixture(chosen: slice, schedule: Schedule) -> Mixture:
    weights = WEIGHTS[chosen] / WEIGHTS[chosen].sum()
    return Mixture(MEANS[chosen], torch.full_like(weights, 0.4), weights, schedule)


class _Exact(nn.Module):
    """The exact denoiser, with and without a label."""

    schedule = Cosine()

    def forward(self, xt: Tensor, t: Tensor, condition: Tensor | None = None) -> Prediction:
        x0 = _mixture(slice(0, 2), self.schedule).denoise(xt, t).x0
        for label in (0, 1):
            own = _mixture(slice(label, label + 1), self.schedule).denoise(xt, t).x0
            if condition is not None:
                x0 = torch.where((condition == label)[:, None], own, x0)
        return Prediction(x0, "x0", xt, self.schedule.at(t, like=xt))


class _Classifier(nn.Module):
    """log p(class, xt)."""

    schedule = Cosine()

    def forward(self, xt: Tensor, t: Tensor) -> Tensor:
        each = [
            _mixture(slice(label, label + 1), self.schedule).log_density(xt, t) for label in (0, 1)
        ]
        return torch.stack(each, dim=1) + WEIGHTS.log()


def _noisy() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    xt = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    labels = torch.arange(8) % 2
    return xt, torch.linspace(0.1, 0.9, 8).double(), labels, torch.full_like(labels, NO_LABEL)


def by_classifier() -> float:
    """At scale 1: the largest difference from the conditional denoiser (Bayes' rule)."""
    model, (xt, t, labels, _) = _Exact(), _noisy()
    guided = ClassifierGuidance(guide=OTHER).wrap(model, labels, None, _Classifier())
    return float((guided(xt, t).x0 - model(xt, t, labels).x0).abs().max())


def classifier_free() -> float:
    """At scale 3: the largest difference from unconditional + 3 (conditional - unconditional)."""
    model, (xt, t, labels, none) = _Exact(), _noisy()
    plain, conditional = model(xt, t, none).x0, model(xt, t, labels).x0
    guided = ClassifierFree(scale=3.0).wrap(model, labels, none)(xt, t).x0
    return float((guided - plain - 3 * (conditional - plain)).abs().max())


def outside_the_interval() -> float:
    """The largest difference from the conditional denoiser outside the interval of t."""
    model, (xt, t, labels, none) = _Exact(), _noisy()
    guided = ClassifierFree(scale=3.0, interval=(0.3, 0.6)).wrap(model, labels, none)
    outside = (t < 0.3) | (t > 0.6)
    return float((guided(xt, t).x0 - model(xt, t, labels).x0)[outside].abs().max())


class _Worse(_Exact):
    """What is right, less 0.1 everywhere."""

    def forward(self, xt: Tensor, t: Tensor, condition: Tensor | None = None) -> Prediction:
        right = super().forward(xt, t, condition)
        return replace(right, output=right.x0 - 0.1)


def by_a_worse_self() -> float:
    """At scale 2.5: the largest difference from the worse + 2.5 times what the model adds to it."""
    model, (xt, t, labels, none) = _Exact(), _noisy()
    guided = Autoguidance(guide=OTHER, scale=2.5).wrap(model, labels, none, _Worse())
    return float((guided(xt, t).x0 - (model(xt, t, labels).x0 + 1.5 * 0.1)).abs().max())


CHECKS = (
    Check("guidance: classifier-free", "scale 3 against its formula", 0.0, 1e-12, classifier_free),
    Check(
        "guidance: interval", "outside it against the model alone", 0.0, 0.0, outside_the_interval
    ),
    Check("guidance: by a classifier", "exact, scale 1: Bayes' rule", 0.0, 1e-9, by_classifier),
    Check("guidance: by a worse self", "scale 2.5: its formula", 0.0, 1e-12, by_a_worse_self),
)
