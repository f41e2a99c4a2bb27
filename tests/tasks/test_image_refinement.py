"""A refiner: what it learns, what it makes of its base's samples, and whom it refuses."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.forms import Batch, ImageForm, PointForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.guidance import Autoguidance, ClassifierFree
from noiseloom.diffusion.sampling import Counted, Sampling
from noiseloom.networks.convolutional_classifier import Config as Classifier
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Draws, Guided, Refines, Request, Task, Walks
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.image_classification import Config as Classification
from noiseloom.tasks.image_refinement import Config
from noiseloom.tasks.low_noise import LowNoise, LowNoiseRefinement
from noiseloom.tasks.unconditional_image_generation import Config as Generation

FORM = PointForm(item_shape=(2,), class_names=("left", "right"), limit=3.0)
NETWORK = Mlp(width=16, depth=1)
STATISTICS = Statistics(torch.zeros(2), 1.0)
LABELS = torch.tensor([0, 1, 1, 0])
RANDOM = Random(0, range(4), 0, 4)


def build_base(seed: int = 0, **changes: object) -> ImageGeneration:
    """A base with weights of its own; its last layers, which begin at 0, moved."""
    config = Generation(
        preconditioning="edm",
        guidance=ClassifierFree(scale=3.0, interval=(0.4, 1.0)),
        sampler=Sampling(name="heun", steps=4),
    )
    with fixed(seed, "weights"):
        base = replace(config, **changes).build(NETWORK, FORM, STATISTICS, {})
        for parameter in base.model.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    base.model.requires_grad_(False)
    return base


@cache
def base() -> ImageGeneration:
    return build_base()


def build(kind: LowNoise, of: Task | None = None, form: PointForm = FORM) -> LowNoiseRefinement:
    config = Config(base=RunReference(run="runs/base"), kind=kind)
    with fixed(1, "weights"):
        return config.build(NETWORK, form, STATISTICS, {"base": of or base()})


def last(task: Draws, request: Request) -> torch.Tensor:
    *_, step = task.sample(request, RANDOM)
    return step.x0


def test_it_can_all_that_a_run_asks_for() -> None:
    for protocol in (Draws, Guided, Refines, Walks):
        assert isinstance(build(LowNoise()), protocol)


@pytest.mark.parametrize("sampler", ["heun", "dpm++2m", "unipc", "ddpm", "adaptive"])
def test_a_refiner_that_is_its_base_draws_what_that_draws(sampler: str) -> None:
    refiner = build(LowNoise(begins=0.5, steps=None, as_base=True))
    request = Request(labels=LABELS, sampler=sampler)
    assert torch.equal(last(refiner, request), last(base(), request))


def test_without_its_expert_the_base_walks_alone_at_the_same_moves() -> None:
    request = Request(labels=LABELS, sampler="ddim")
    alone = build(LowNoise(begins=0.5, steps=3)).without_expert()
    twin = build(LowNoise(begins=0.5, steps=3, as_base=True))
    assert torch.equal(last(alone, request), last(twin, request))
    assert not torch.equal(last(alone, request), last(base(), request))  # at moves of its own
    assert [step.t for step in alone.sample(request, RANDOM)] == pytest.approx(
        [0.75, 0.5, 1 / 3, 1 / 6, 0], abs=1e-9
    )


def test_the_base_begins_and_the_expert_ends() -> None:
    refiner = build(LowNoise(begins=0.5, steps=3))
    request = Request(labels=LABELS, sampler="ddim")
    steps = list(refiner.sample(request, RANDOM))
    assert [step.t for step in steps] == pytest.approx([0.75, 0.5, 1 / 3, 1 / 6, 0], abs=1e-9)
    own = list(base().sample(request, RANDOM))
    assert torch.equal(steps[1].x, own[1].x)
    for step in steps[2:]:  # the expert's own way from there
        assert not torch.equal(step.x0, own[3].x0)
    x, at = own[1].x, torch.full((4,), 0.5)
    asked = refiner.walk(request).denoise(x, at).x0
    assert torch.equal(asked, refiner.expert.walk(request).denoise(x, at).x0)


def test_the_expert_learns_its_part_of_the_range_alone() -> None:
    refiner = build(LowNoise(begins=0.3))
    items = np.random.Generator(np.random.Philox(key=0)).normal(size=(4, 2)).astype(np.float32)
    seen: list[torch.Tensor] = []
    refiner.model.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    loss, count = refiner.loss(Batch(items, LABELS.numpy()), RANDOM)["loss"]
    loss.backward()
    assert count == 4
    assert seen and seen[0].min() >= 0 and seen[0].max() <= 0.3
    assert any(parameter.grad is not None for parameter in refiner.model.parameters())
    assert all(parameter.grad is None for parameter in base().model.parameters())
    own = refiner.expert.config
    assert replace(own, times=base().config.times) == base().config


def test_calls_are_told_as_they_are_made() -> None:
    refiner = build(LowNoise(begins=0.5, steps=3))
    request = Request(labels=LABELS, steps=8)
    walk = refiner.walk(request)
    counted = Counted(walk.denoise)
    for _ in walk.sampler(counted, refiner.base.start(RANDOM), walk.plan, walk.schedule, RANDOM):
        pass
    described = refiner.describe(request)
    assert described["network_calls"] == counted.calls == 2 * (4 + 3) - 1
    assert (described["refined_from"], described["refining_steps"]) == (0.5, 3)


def test_who_guides_the_base_does_not_guide_the_expert() -> None:
    weak = build_base(seed=7)
    guided = base().guided(Autoguidance(scale=2.0, guide=RunReference(run="runs/weak")), weak)
    refiner = build(LowNoise(begins=0.5)).refined(guided)
    request = Request(labels=LABELS)
    x = torch.linspace(-1, 1, 8).reshape(4, 2)
    early, late = torch.full((4,), 0.8), torch.full((4,), 0.2)
    walk = refiner.walk(request)
    assert torch.equal(walk.denoise(x, early).x0, guided.walk(request).denoise(x, early).x0)
    plain = refiner.expert.walk(Request(labels=LABELS))
    assert torch.equal(walk.denoise(x, late).x0, plain.denoise(x, late).x0)


def test_only_the_base_that_it_was_made_for_is_refined() -> None:
    refiner = build(LowNoise())
    assert torch.equal(
        last(refiner.refined(build_base()), Request(labels=LABELS)),
        last(refiner, Request(labels=LABELS)),
    )
    with pytest.raises(ValueError, match="made for another base, runs/base: these weights are"):
        refiner.refined(build_base(seed=3))
    with pytest.raises(ValueError, match="draws in a way of its own"):
        refiner.refined(refiner)


def test_items_of_another_size_or_other_classes_are_refused() -> None:
    small = ImageForm(item_shape=(1, 8, 8), class_names=("left", "right"))
    images = Generation().build(NETWORK, small, Statistics(torch.zeros(1, 8, 8), 1.0), {})
    with pytest.raises(ValueError, match=r"the refiner knows items of shape \(2,\), and those of"):
        build(LowNoise()).refined(images)
    with pytest.raises(ValueError, match=r"task.base knows items of shape \(1, 8, 8\)"):
        build(LowNoise(), of=images)
    with pytest.raises(ValueError, match="knows the classes left, right, and the data none"):
        build(LowNoise(), form=replace(FORM, class_names=()))


def test_what_draws_nothing_is_no_base() -> None:
    form = ImageForm(item_shape=(1, 8, 8), class_names=("left", "right"))
    statistics = Statistics(torch.zeros(1, 8, 8), 1.0)
    reader = Classification().build(Classifier(width=4, features=8), form, statistics, {})
    with pytest.raises(ValueError, match=r"task.base walks from noise to no samples"):
        build(LowNoise(), of=reader)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="begins is 0; allowed is above 0, up to 1"):
        LowNoise(begins=0)
    with pytest.raises(ValueError, match="steps is 0; allowed is 1 or more, or null"):
        LowNoise(steps=0)
    with pytest.raises(ValueError, match="the expert begins at t 1"):
        build(
            LowNoise(begins=1.0), of=build_base(schedule=replace(base().config.schedule, clip=0.1))
        )
    config = Config(base=RunReference(run="runs/base"), kind=LowNoise(as_base=True))
    with pytest.raises(ValueError, match=r"whose network is another. Give `network`"):
        config.build(Mlp(width=8, depth=1), FORM, STATISTICS, {"base": base()})
