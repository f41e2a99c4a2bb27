"""Augmentation on the way of a batch: in training alone, the same after a resume, never sampled."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.augmentation import TOLD
from noiseloom.data.forms import Batch
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.embeddings import Condition
from noiseloom.runs import Recipe, Run
from noiseloom.runs.building import build_task
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import Random
from noiseloom.tasks import Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.training.loop import Progress, Training

SMALL = ("network.depth=1", "network.width=24", "network.heads=2", "training.batch_size=16")
NETWORKS = {
    "dit": SMALL,
    "unet": ("network=unet", "network.channels=8", "network.head_width=4"),
    "mlp": ("network=mlp", "network.width=24", "network.depth=1"),
}


def digits(*overrides: str, network: str = "dit") -> Recipe:
    wanted = (
        "training.steps=8",
        "training.precision=float32",
        "training.batch_size=16",
        "task.sampler.steps=2",
    )
    return Recipe.load("digits", [*NETWORKS[network], *wanted, *overrides])


def task_of(recipe: Recipe) -> ImageGeneration:
    form = recipe.data.open().form
    task = build_task(recipe, form, Statistics(torch.zeros(form.item_shape), 0.5), "cpu")
    with torch.no_grad():  # networks start at output 0: move away from it
        for index, weights in enumerate(task.model.parameters()):
            weights.add_(Random(index, [0]).normal("nudge", weights.shape)[0], alpha=0.05)
    assert isinstance(task, ImageGeneration)
    return task


@pytest.mark.parametrize("network", NETWORKS)
def test_trains_is_told_and_samples(network: str) -> None:
    # what starts at 0 lets the gradient through one after the other: output, modulation, this
    recipe = digits("data.augment=0.5", "training.steps=4", network=network)
    data = recipe.data.open()
    task = build_task(recipe, data.form, measure_statistics(data), "cpu")
    assert task.form.told == TOLD
    for _ in Training(recipe.training, task, data.train, "float32", 4).run():
        pass
    told = task.model.get_parameter("network.condition.told")
    assert (told.abs().amax(dim=1) > 0).all()  # each of the numbers is listened to
    steps = list(task.sample(Request(labels=torch.arange(3), steps=2), Random(0, range(3))))
    assert steps[-1].x0.shape == (3, 1, 8, 8)


def test_the_loss_is_that_of_the_changed_images_told_of() -> None:
    recipe = digits("data.augment=0.12")
    task, data = task_of(recipe), recipe.data.open()
    batch, random = Batch(data.train.items[:16], data.train.labels[:16]), Random(0, range(16))
    _, told = task.form.augment(data.to_model(batch.items), random)
    assert told is not None and told.any() and not told.any(1).all()
    seen = []
    task.model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    with torch.no_grad():
        task.losses(batch, random)
        task.losses(batch, random, training=False)
    (x, _, condition, _), (plain_x, _, plain, _) = seen
    assert torch.equal(condition.told, told)
    assert plain.told is None
    is_kept = ~told.any(1)
    assert torch.equal(x[is_kept], plain_x[is_kept])
    assert (x != plain_x).flatten(1).any(1)[~is_kept].all()


def test_held_out_loss_and_forward_pictures_see_images_as_they_are() -> None:
    plain, augmented = task_of(digits()), task_of(digits("data.augment=0.5"))
    plain.model.load_state_dict(
        {k: v for k, v in augmented.model.state_dict().items() if not k.endswith("condition.told")}
    )
    data = digits().data.open()
    batch, random = Batch(data.train.items[:16], data.train.labels[:16]), Random(0, range(16))
    with torch.no_grad():
        held_out = [task.losses(batch, random, training=False) for task in (plain, augmented)]
        trained = [task.losses(batch, random) for task in (plain, augmented)]
    assert torch.equal(*held_out)
    assert not torch.equal(*trained)
    noised = [task.noised(batch.items, 0.3, random) for task in (plain, augmented)]
    assert torch.equal(*noised)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_sampler_that_tells_nothing_tells_of_no_change(guidance: float) -> None:
    task = task_of(digits("data.augment=0.5"))
    request = Request(labels=torch.arange(4), steps=3, guidance=guidance)

    def sample() -> torch.Tensor:
        with torch.no_grad():
            return list(task.sample(request, Random(0, range(4))))[-1].x0

    untold = sample()

    def tell(_: object, inputs: tuple) -> tuple:  # type: ignore[type-arg]
        x, level, labels, random = inputs
        return x, level, Condition(labels, torch.zeros(len(x), TOLD)), random

    task.model.network.register_forward_pre_hook(tell)
    assert torch.equal(sample(), untold)


def test_the_same_images_in_any_number_of_micro_batches() -> None:
    losses = []
    for accumulate in (1, 4):
        recipe = digits("data.augment=0.5", f"training.accumulate={accumulate}")
        training = Training(
            recipe.training, task_of(recipe), recipe.data.open().train, "float32", 8
        )
        losses.append([progress.loss for progress in training.run()])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_an_interrupted_run_resumes_to_the_byte(tmp_path: Path) -> None:
    def weights(run: Run) -> dict[str, bytes]:
        folder = run.checkpoints.path(run.checkpoints.steps()[-1])
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    whole = Run.create(digits("data.augment=0.5"), tmp_path / "whole")
    whole.train(evaluate=False)
    run = Run.create(digits("data.augment=0.5"), tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run.train(evaluate=False, on_event=interrupt)
    assert run.checkpoints.steps()[-1] < 8
    Run.open(run.folder).resume(evaluate=False)
    assert weights(run) == weights(whole)
