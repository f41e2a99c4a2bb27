"""Guidance on mixtures, where the conditional denoiser and the classifier are known exactly."""

import pytest
import torch
from torch import Tensor, nn

from noiseloom.config import RunReference
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.exact import Mixture
from noiseloom.diffusion.guidance import GUIDANCE, Autoguidance, ClassifierFree, ClassifierGuidance
from noiseloom.diffusion.guidance.classifier import class_gradient
from noiseloom.diffusion.guidance.guidance import carried, rescaled
from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.diffusion.schedules import EDM, SCHEDULES, Cosine, RectifiedFlow, Schedule
from noiseloom.seeds import Random

CLASS_MEANS = torch.tensor([[-0.8, -0.3, 0.2, -1.0], [0.9, 0.7, 0.1, 0.5]], dtype=torch.float64)
SHARE = torch.tensor([0.7, 0.3], dtype=torch.float64)
STD = 0.4
NO_LABEL = 2


def classes(schedule: Schedule) -> list[Mixture]:
    std, one = torch.tensor([STD], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    return [Mixture(mean[None], std, one, schedule) for mean in CLASS_MEANS]


class Exact(nn.Module):
    """The exact denoiser of two Gaussian classes, which counts how many items it is asked of."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.items = 0
        self.classes = classes(schedule)
        self.both = Mixture(
            CLASS_MEANS, torch.full((2,), STD, dtype=torch.float64), SHARE, schedule
        )

    def forward(self, xt: Tensor, t: Tensor, condition: Tensor | None = None) -> Prediction:
        self.items += len(xt)
        x0 = self.both.denoise(xt, t).x0
        if condition is not None:
            for number, known in enumerate(self.classes):
                own = (condition == number)[:, None]
                x0 = torch.where(own, known.denoise(xt, t).x0, x0)
        return Prediction(x0, "x0", xt, self.schedule.at(t, like=xt))


class ExactClassifier(nn.Module):
    """log p(class, xt): logits whose softmax is the exact posterior."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.classes = classes(schedule)

    def forward(self, xt: Tensor, t: Tensor) -> Tensor:
        each = [known.log_density(xt, t) for known in self.classes]
        return torch.stack(each, dim=1) + SHARE.log()


def noisy(num: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    xt = torch.randn(num, 4, generator=generator, dtype=torch.float64)
    return xt, torch.linspace(0.1, 0.9, num, dtype=torch.float64), torch.arange(num) % 2


def by_classifier(**how: float) -> ClassifierGuidance:
    return ClassifierGuidance(guide=RunReference(run="given"), **how)  # type: ignore[arg-type]


schedules = pytest.mark.parametrize("schedule", [RectifiedFlow(), Cosine(), EDM()], ids=repr)


@schedules
@pytest.mark.parametrize("read_on", [RectifiedFlow(), Cosine(), EDM()], ids=repr)
def test_the_exact_classifier_at_scale_one_gives_the_conditional_denoiser(
    schedule: Schedule, read_on: Schedule
) -> None:
    """Bayes' rule, also where the classifier learned on another schedule."""
    model, (xt, t, labels) = Exact(schedule), noisy()
    xt = xt * schedule.sigma(t)[:, None] + schedule.alpha(t)[:, None] * 0.3
    guided = by_classifier().wrap(model, labels, None, ExactClassifier(read_on))(xt, t)
    expected = model(xt, t, labels)
    torch.testing.assert_close(guided.x0, expected.x0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(guided.score, expected.score, rtol=1e-9, atol=1e-9)


def test_classifier_guidance_is_bayes_rule_with_the_posterior_to_a_power() -> None:
    model, (xt, t, labels) = Exact(RectifiedFlow()), noisy()
    plain, conditional = model(xt, t).x0, model(xt, t, labels).x0
    for scale in (0.0, 0.5, 3.0):
        guided = by_classifier(scale=scale).wrap(model, labels, None, ExactClassifier(Cosine()))
        expected = plain + scale * (conditional - plain)
        torch.testing.assert_close(guided(xt, t).x0, expected, rtol=1e-9, atol=1e-9)


def test_a_classifier_is_differentiated_where_gradients_are_off_and_nothing_leaks() -> None:
    model, (xt, t, labels) = Exact(RectifiedFlow()), noisy()
    classifier = ExactClassifier(RectifiedFlow())
    with torch.no_grad():
        gradient = class_gradient(classifier, model.schedule, xt, t, labels)
        assert not torch.is_grad_enabled()
    assert not gradient.requires_grad and not xt.requires_grad and bool(gradient.abs().min() > 0)
    walk = SAMPLERS["heun"](
        by_classifier(scale=2.0).wrap(model, labels, None, classifier),
        torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)),
        plan_times(model.schedule, 12),
        model.schedule,
        Random(0, range(6)),
    )
    for step in walk:
        assert torch.is_grad_enabled()  # as the consumer had it
        assert not step.x.requires_grad and bool(step.x0.isfinite().all())
    assert ((step.x0.mean(dim=1) > 0) == (labels == 1)).all()


@schedules
def test_classifier_free_guidance_in_closed_form(schedule: Schedule) -> None:
    """FACTS' convention: x0 = x0_u + w (x0_c - x0_u), 1 is the conditional, 0 the unconditional."""
    model, (xt, t, labels) = Exact(schedule), noisy()
    none = torch.full_like(labels, NO_LABEL)
    plain, conditional = model(xt, t, none).x0, model(xt, t, labels).x0
    for scale in (0.0, 1.0, 2.5):
        x0 = ClassifierFree(scale=scale).wrap(model, labels, none)(xt, t).x0
        torch.testing.assert_close(x0, plain + scale * (conditional - plain))
    # with a negative label in the place of none
    x0 = ClassifierFree(scale=2.0).wrap(model, labels, 1 - labels)(xt, t).x0
    torch.testing.assert_close(x0, 2 * conditional - model(xt, t, 1 - labels).x0)


@pytest.mark.parametrize("condition", [None, torch.arange(6) % 2])
def test_a_guide_that_is_the_model_changes_nothing(condition: Tensor | None) -> None:
    model, (xt, t, _) = Exact(RectifiedFlow()), noisy()
    none = None if condition is None else torch.full_like(condition, NO_LABEL)
    for guide in (model, Exact(Cosine())):  # the same beliefs, held on another schedule
        guided = Autoguidance(scale=3.0).wrap(model, condition, none, guide)(xt, t)
        torch.testing.assert_close(guided.x0, model(xt, t, condition).x0, rtol=1e-9, atol=1e-9)


def test_autoguidance_goes_on_from_the_guide_through_the_model() -> None:
    model, (xt, t, _) = Exact(RectifiedFlow()), noisy()

    class Worse(Exact):
        def forward(self, xt: Tensor, t: Tensor, condition: Tensor | None = None) -> Prediction:
            said = super().forward(xt, t, condition)
            return Prediction(said.x0 + 0.25, "x0", xt, said.at)

    for scale, shift in ((0.0, 0.25), (1.0, 0.0), (3.0, -0.5)):
        guided = Autoguidance(scale=scale).wrap(model, None, None, Worse(RectifiedFlow()))(xt, t)
        torch.testing.assert_close(guided.x0, model(xt, t).x0 + shift)


def test_rescale_brings_the_spread_back() -> None:
    model, (xt, t, labels) = Exact(RectifiedFlow()), noisy()
    none = torch.full_like(labels, NO_LABEL)

    def guided(phi: float) -> Tensor:
        return ClassifierFree(scale=4.0, rescale=phi).wrap(model, labels, none)(xt, t).x0

    plain = model(xt, t, none).x0
    wide = plain + 4.0 * (model(xt, t, labels).x0 - plain)
    torch.testing.assert_close(guided(0.0), wide, rtol=0, atol=0)  # 0 is off
    spread = model(xt, t, labels).x0.std(dim=1)
    assert not torch.allclose(wide.std(dim=1), spread, rtol=1e-2)
    torch.testing.assert_close(guided(1.0).std(dim=1), spread)
    torch.testing.assert_close(guided(0.3), 0.3 * guided(1.0) + 0.7 * guided(0.0))  # eq. 16
    flat = torch.zeros(1, 4)
    assert bool(rescaled(flat, flat, 1.0).isfinite().all())


@pytest.mark.parametrize("name", GUIDANCE)
def test_outside_its_interval_the_plain_prediction_stands_at_its_plain_cost(name: str) -> None:
    model, (xt, _, labels) = Exact(RectifiedFlow()), noisy()
    none = torch.full_like(labels, NO_LABEL)
    guide = {"autoguidance": Exact(RectifiedFlow()), "classifier": ExactClassifier(RectifiedFlow())}
    how = {"scale": 3.0, "interval": (0.2, 0.6)}
    make = by_classifier if name == "classifier" else GUIDANCE[name]
    denoise = make(**how).wrap(model, labels, none, guide.get(name))
    outside = torch.full((6,), 0.7, dtype=torch.float64)
    expected = model(xt, outside, labels).x0
    model.items = 0
    torch.testing.assert_close(denoise(xt, outside).x0, expected, rtol=0, atol=0)
    assert model.items == 6
    assert getattr(guide.get(name), "items", 0) == 0
    # where a batch has times on both sides each item is treated by its own
    mixed = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9, 0.6], dtype=torch.float64)
    changed = (denoise(xt, mixed).x0 - model(xt, mixed, labels).x0).abs().amax(dim=1) > 1e-6
    if name == "autoguidance":  # its guide is as good as itself
        assert not changed.any()
    else:
        assert changed.tolist() == [False, True, True, False, False, True]


@pytest.mark.parametrize("name", GUIDANCE)
def test_without_what_it_needs_nothing_is_guided(name: str) -> None:
    model, (xt, t, _) = Exact(RectifiedFlow()), noisy()
    guidance = by_classifier() if name == "classifier" else GUIDANCE[name](scale=3.0)
    without = guidance.wrap(model, None, None, None)(xt, t)
    torch.testing.assert_close(without.x0, model(xt, t).x0, rtol=0, atol=0)


@pytest.mark.parametrize("source", [cls() for cls in SCHEDULES.values()], ids=list(SCHEDULES))
def test_what_is_carried_to_another_schedule_has_its_signal_and_noise(source: Schedule) -> None:
    x0, noise = torch.tensor([[1.0]]).double(), torch.tensor([[-0.5]]).double()
    for target in (RectifiedFlow(), Cosine(), EDM()):
        t = source.t_of_log_snr(torch.tensor([1.3], dtype=torch.float64))
        at = source.at(t, like=x0)
        xt, time = carried(at.alpha * x0 + at.sigma * noise, t, source, target)
        there = target.at(time, like=x0)
        torch.testing.assert_close(xt, there.alpha * x0 + there.sigma * noise)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"scale": -1.0}, "guidance scale is -1"),
        ({"interval": (0.5, 0.2)}, "0 to 1, rising"),
        ({"rescale": 1.5}, "rescale is 1.5; allowed is 0 to 1"),
    ],
)
@pytest.mark.parametrize("name", GUIDANCE)
def test_impossible_guidance_is_refused(name: str, how: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        by_classifier(**how) if name == "classifier" else GUIDANCE[name](**how)
