"""A discriminator of a base's samples and real items: what it learns, and where it leads."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.dataset import Split
from noiseloom.data.forms import Batch, ImageForm, PointForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.sampling import Sampling
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Draws, Guided, Prepares, Refines, Request, Walks
from noiseloom.tasks.discriminator import Discriminating, DiscriminatorRefinement
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.image_refinement import Config
from noiseloom.tasks.own_samples import FILE, OwnSamples
from noiseloom.tasks.unconditional_image_generation import Config as Generation
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW

FORM = PointForm(item_shape=(2,), limit=3.0)
BY_CLASS = replace(FORM, class_names=("left", "right"))
STATISTICS = Statistics(torch.zeros(2), 1.0)
RANDOM = Random(0, range(4), 0, 4)
REAL_MEAN, REAL_STD = torch.tensor([0.9, -0.6]), 0.5


def base(form: PointForm = FORM) -> ImageGeneration:
    """A base that draws N(0, 1) exactly: its network, which answers 0, has learned nothing."""
    config = Generation(
        preconditioning="edm", sampler=Sampling(name="heun", steps=8), guidance=ClassifierFree()
    )
    with fixed(0, "weights"):
        made = config.build(Mlp(width=8, depth=1), form, STATISTICS, {})
    made.model.requires_grad_(False)
    return made


def build(form: PointForm = FORM, **changes: object) -> DiscriminatorRefinement:
    kind = Discriminating(**{"num": 600, **changes})  # type: ignore[arg-type]
    config = Config(base=RunReference(run="runs/base"), kind=kind)
    with fixed(1, "weights"):
        return config.build(Mlp(width=48, depth=2), form, STATISTICS, {"base": base(form)})


def prepared(task: DiscriminatorRefinement, folder: Path) -> DiscriminatorRefinement:
    task.prepare(folder, lambda what, done, total: None)
    return task


def real(num: int) -> np.ndarray:
    """Real points, N(REAL_MEAN, REAL_STD²)."""
    noise = Random(7, range(num)).normal("real", (2,))
    return (REAL_MEAN + REAL_STD * noise).numpy()


@cache
def moved() -> DiscriminatorRefinement:
    """One whose network no longer answers 0; of classes."""
    task = build(BY_CLASS)
    with torch.no_grad():
        for index, parameter in enumerate(task.model.parameters()):
            nudge = Random(index, [0]).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.1)
    return task


def last(task: Draws, request: Request, random: Random = RANDOM) -> torch.Tensor:
    *_, step = task.sample(request, random)
    return step.x0


def test_it_can_all_that_a_run_asks_for() -> None:
    for protocol in (Draws, Guided, Refines, Walks, Prepares):
        assert isinstance(moved(), protocol)


def test_it_leads_a_base_to_data_that_it_has_never_seen(tmp_path: Path) -> None:
    task = prepared(build(num=2000), tmp_path)
    plan = TrainingConfig(steps=250, batch_size=128, optimizer=AdamW(learning_rate=3e-3))
    losses = [
        each.loss for each in Training(plan, task, Split(real(2000), None), "float32", 250).run()
    ]
    assert losses[0] == pytest.approx(math.log(2))  # cannot tell them yet
    assert np.mean(losses[-50:]) < 0.62
    random = Random(3, range(1000))
    drawn, refined = last(task.base, Request(), random), last(task, Request(), random)
    assert (drawn.mean(dim=0)).norm() < 0.15 and abs(float(drawn.std()) - 1) < 0.1
    off = (refined.mean(dim=0) - REAL_MEAN).norm()
    assert off < 0.3 * REAL_MEAN.norm()
    spread = (refined - refined.mean(dim=0)).square().mean().sqrt()
    assert abs(float(spread) - REAL_STD) < 0.2


def test_one_that_has_learned_nothing_changes_nothing() -> None:
    task, request = build(BY_CLASS), Request(labels=torch.tensor([0, 1, 1, 0]))
    assert torch.equal(last(task, request), last(task.base, request))


def test_it_corrects_by_the_class_asked_for_and_in_its_interval_alone() -> None:
    task, request = moved(), Request(labels=torch.tensor([0, 1, 1, 0]))
    walk, plain = task.walk(request), task.base.walk(request)
    x = torch.linspace(-1, 1, 8).reshape(4, 2)
    t = torch.tensor([0.3, 0.8, 0.81, 1.0])
    moved_by = walk.denoise(x, t).x0 - plain.denoise(x, t).x0
    assert moved_by[:2].abs().amin() > 0 and not moved_by[2:].any()
    other = task.walk(Request(labels=torch.tensor([1, 0, 0, 1]))).denoise(x, t).x0
    assert not torch.equal(other[:2], walk.denoise(x, t).x0[:2])
    described = task.describe(request)
    assert described["refined_by"] == "discriminator"
    assert described["correction_interval"] == (0.0, 0.8)
    assert described["network_calls"] == task.base.describe(request)["network_calls"]


def test_samples_are_drawn_once_and_kept_as_items(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    task = build(BY_CLASS, num=5, steps=2)
    task.prepare(tmp_path, lambda *progress: said.append(progress))
    assert task.drawn is not None and task.drawn.labels is not None
    assert said[-1] == ("Drawing the base's samples", 5, 5)
    labels = torch.tensor([0, 1, 0, 1, 0])
    assert torch.equal(task.drawn.labels, labels)
    random = Random(0, range(5)).under("own-samples")
    wanted = last(task.base, Request(labels=labels, steps=2), random)
    assert torch.equal(task.drawn.items, wanted)
    said.clear()
    again = build(BY_CLASS, num=5, steps=2)
    again.prepare(tmp_path, lambda *progress: said.append(progress))
    assert not said and torch.equal(again.drawn.items, wanted)  # type: ignore[union-attr]
    (tmp_path / FILE).write_bytes(b"torn")
    again.prepare(tmp_path, lambda *progress: said.append(progress))
    assert said and torch.equal(again.drawn.items, wanted)  # type: ignore[union-attr]


def test_an_item_is_chosen_with_its_label() -> None:
    drawn = OwnSamples(torch.arange(6.0)[:, None], torch.arange(6) % 2)
    items, labels = drawn.choose(Random(0, range(200)))
    assert labels is not None and np.array_equal(items[:, 0] % 2, labels)
    assert set(items[:, 0]) == set(range(6))


def test_the_loss_tells_a_real_item_from_a_sample_at_one_time(tmp_path: Path) -> None:
    task = prepared(moved(), tmp_path)
    seen: list[tuple[torch.Tensor, ...]] = []
    hook = task.model.register_forward_hook(lambda _, given, said: seen.append((*given, said)))
    batch = Batch(real(4), np.array([0, 1, 1, 0]))
    losses = task.losses(batch, RANDOM, training=False)
    hook.remove()
    (_, t, labels, _, said), (_, other_t, _, _, drawn) = seen
    assert torch.equal(t, other_t) and t.min() >= 0 and t.max() <= 0.8
    assert labels.tolist() == [0, 1, 1, 0]
    wanted = -(said.sigmoid().log() + (1 - drawn.sigmoid()).log()) / 2
    torch.testing.assert_close(losses, wanted)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="call prepare before"):
        build().losses(Batch(real(4), None), RANDOM)
    for changes, said in (
        ({"num": 0}, "num is 0; allowed is 1 or more"),
        ({"steps": 0}, "steps is 0; allowed is 1 or more, or null"),
        ({"scale": -1.0}, "scale is -1.0; allowed is 0 or more"),
        ({"interval": (0.8, 0.2)}, r"interval is \[0.8, 0.2\]; allowed is 0 to 1, rising"),
    ):
        with pytest.raises(ValueError, match=said):
            Discriminating(**changes)  # type: ignore[arg-type]
    small = ImageForm(item_shape=(1, 8, 8))
    with pytest.raises(ValueError, match=r"the refiner knows items of shape \(2,\), and those of"):
        build().refined(Generation().build(Mlp(), small, Statistics(torch.zeros(1, 8, 8), 1.0), {}))
