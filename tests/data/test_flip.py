"""Mirroring: exact, half of the time, the same again after a resume, and only in training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import Dataset
from noiseloom.data.forms import Batch, Form, ImageForm, form_from
from noiseloom.data.images import Config
from noiseloom.data.toy import Config as Toy
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.seeds import Random, fixed
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.unconditional_image_generation import Config as Task
from noiseloom.training.loop import Training, TrainingConfig
from tests.data.conftest import WriteImages

FORM = ImageForm(item_shape=(3, 4, 6), flip=True)


def some_images(num: int = 64) -> torch.Tensor:
    return torch.randn(num, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def mirrored(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Which images were mirrored, having seen that each is itself or its exact mirror image."""
    kept = (after == before).flatten(1).all(1)
    turned = (after == before.flip(-1)).flatten(1).all(1)
    assert (kept ^ turned).all()
    return turned


def flipped(form: Form, x0: torch.Tensor, random: Random) -> torch.Tensor:
    seen, told = form.augment(x0, random)
    assert told is None and form.told == 0
    return seen


def test_each_image_is_itself_or_its_mirror_image() -> None:
    x0 = some_images()
    before = x0.clone()
    turned = mirrored(x0, flipped(FORM, x0, Random(0, range(64))))
    assert 0 < turned.sum() < 64
    torch.testing.assert_close(x0, before, rtol=0, atol=0)


def test_half_of_many_are_mirrored() -> None:
    x0 = some_images()
    turned = [mirrored(x0, flipped(FORM, x0, Random(0, range(64), step))) for step in range(400)]
    share = torch.stack(turned).float()
    assert abs(float(share.mean()) - 0.5) < 4 * 0.5 / (64 * 400) ** 0.5
    assert (
        share.mean(0) - 0.5
    ).abs().max() < 5 * 0.5 / 400**0.5  # no place in the batch is special


def test_seed_step_and_item_decide() -> None:
    x0 = some_images()
    whole = mirrored(x0, flipped(FORM, x0, Random(3, range(64), 7)))
    again = [flipped(FORM, x0[s : s + 16], Random(3, range(s, s + 16), 7)) for s in (0, 16, 32, 48)]
    assert torch.equal(mirrored(x0, torch.cat(again)), whole)
    for other in (Random(3, range(64), 8), Random(4, range(64), 7)):
        assert not torch.equal(mirrored(x0, flipped(FORM, x0, other)), whole)


def test_nothing_is_mirrored_unasked() -> None:
    x0 = some_images()
    assert flipped(ImageForm(item_shape=(3, 4, 6)), x0, Random(0, range(64))) is x0
    points = Toy(num=4).open().form
    assert flipped(points, x0, Random(0, range(64))) is x0


def test_form_is_written_and_read_back() -> None:
    assert form_from(FORM.to_mapping(), Path()) == FORM
    old = {key: value for key, value in FORM.to_mapping().items() if key != "flip"}
    assert form_from(old, Path()) == ImageForm(item_shape=(3, 4, 6))


@pytest.fixture
def dataset(tmp_path: Path, write_images: WriteImages) -> Dataset:
    write_images(tmp_path / "data", 40, (4, 6, 3))
    return Config(path=str(tmp_path / "data"), flip=True).open()


def task_on(form: Form) -> ImageGeneration:
    with fixed(0, "weights"):
        statistics = Statistics(torch.zeros(form.item_shape), 0.5)
        task = Task().build(Mlp(width=16, depth=1), form, statistics, {})
    with torch.no_grad():  # an untrained network answers zero, whichever way an image looks
        for weights in task.model.parameters():
            weights.add_(0.1)
    return task


def test_the_option_changes_neither_the_arrays_nor_the_fingerprint(dataset: Dataset) -> None:
    plain = Config(path=dataset.report["source"]).open()
    assert plain.fingerprint == dataset.fingerprint
    assert plain.cache == dataset.cache
    assert plain.form.to_mapping() | {"flip": True} == dataset.form.to_mapping()


def test_held_out_loss_and_the_forward_pictures_see_items_as_they_are(dataset: Dataset) -> None:
    plain = Config(path=dataset.report["source"]).open()
    flipping, still = task_on(dataset.form), task_on(plain.form)
    items = dataset.train.items[:16]
    batch, random = Batch(items, None), Random(0, range(16))
    with torch.no_grad():
        held_out = [task.losses(batch, random, training=False) for task in (flipping, still)]
        trained = [task.losses(batch, random) for task in (flipping, still)]
    assert torch.equal(*held_out)
    x0 = dataset.to_model(items)
    turned = mirrored(x0, flipped(dataset.form, x0, random))
    assert torch.equal(trained[0][~turned], trained[1][~turned])
    assert (trained[0][turned] != trained[1][turned]).all()
    mirror = Batch(np.where(turned.numpy()[:, None, None, None], items[:, :, ::-1], items), None)
    with torch.no_grad():
        assert torch.equal(trained[0], still.losses(mirror, random))
    assert torch.equal(flipping.noised(items, 0.3, random), still.noised(items, 0.3, random))


def test_resume_is_exact(dataset: Dataset) -> None:
    config = TrainingConfig(steps=6, batch_size=8)

    def training() -> Training:
        return Training(config, task_on(dataset.form), dataset.train, "float32", 6)

    unbroken = training()
    losses = [progress.loss for progress in unbroken.run()]
    first = training()
    walk = first.run()
    head = [next(walk).loss for _ in range(3)]
    second = training()
    second.restore(first.checkpoint())
    assert head + [progress.loss for progress in second.run()] == losses
    for name, value in unbroken.checkpoint().groups["model"].items():
        assert torch.equal(second.checkpoint().groups["model"][name], value)
