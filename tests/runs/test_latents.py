"""A run that draws in an autoencoder's latents: the cache, what a mismatch meets, exact resume."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import ImageDataset
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.runs.latents import CHUNK, LatentDataset, latents, seen_data
from noiseloom.tasks.image_reconstruction import ImageReconstruction
from noiseloom.tasks.latent_form import latents_of
from noiseloom.training.loop import Progress

from .autoencoders import autoencoder, latent_recipe


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return autoencoder(tmp_path_factory.mktemp("autoencoder"))


@pytest.fixture(scope="module")
def coder(other: Run) -> ImageReconstruction:
    task, _ = other.trained_task()
    assert isinstance(task, ImageReconstruction)
    return task


@pytest.fixture(scope="module")
def finished(other: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("latent")
    run = Run.create(latent_recipe(folder, other), folder / "run")
    run.train()
    return run


def dataset_of(run: Run) -> ImageDataset:
    dataset = run.open_data()
    assert isinstance(dataset, ImageDataset)
    return dataset


def encoded(dataset: ImageDataset, coder: ImageReconstruction) -> LatentDataset:
    return latents(dataset, latents_of(dataset.form, coder, key="task.autoencoder", run="other"))


def checkpoint_bytes(run: Run) -> dict[str, bytes]:
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# The cache -------------------------------------------------------------------------------------


def test_cached_latents_are_fresh_ones_to_the_bit(other: Run, coder: ImageReconstruction) -> None:
    dataset = dataset_of(other)
    found = encoded(dataset, coder)
    for split, cached in ((dataset.train, found.train), (dataset.reference, found.reference)):
        chunks = range(0, len(split), CHUNK)
        fresh = [coder.encode(split.items[start : start + CHUNK]) for start in chunks]
        np.testing.assert_array_equal(cached.items, torch.cat(fresh).numpy())
        assert isinstance(cached.items, np.memmap)
        np.testing.assert_array_equal(cached.labels, split.labels)
    again = encoded(dataset, coder)
    assert again.fingerprint == found.fingerprint
    assert again.train.items.filename == found.train.items.filename


def test_the_model_sees_channels_of_mean_0_and_deviation_1(
    other: Run, coder: ImageReconstruction
) -> None:
    found = encoded(dataset_of(other), coder)
    seen = found.to_model(found.train.items).double().movedim(1, 0).flatten(1)
    torch.testing.assert_close(seen.mean(1), torch.zeros(2).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen.std(1, correction=0), torch.ones(2).double(), rtol=0, atol=1e-5)


def test_stored_items_are_seen_as_their_cached_latents(
    other: Run, coder: ImageReconstruction
) -> None:
    dataset = dataset_of(other)
    found = encoded(dataset, coder)
    fresh = found.form.to_model(dataset.train.items[:20])
    torch.testing.assert_close(fresh, found.form.to_model(found.train.items[:20]))
    back = found.form.to_items(fresh).astype(int)
    direct = coder.reconstruct(dataset.train.items[:20]).items
    assert np.abs(back - direct).max() <= 1


def test_decoding_together_is_decoding_one_by_one(coder: ImageReconstruction) -> None:
    made_up = torch.randn(7, *coder.latent_shape, generator=torch.Generator().manual_seed(0))
    one_by_one = torch.cat([coder.decode(one) for one in made_up.split(1)])
    torch.testing.assert_close(coder.decode(made_up), one_by_one)


def test_mirrored_images_have_latents_too(other: Run, coder: ImageReconstruction) -> None:
    dataset = replace(dataset_of(other), flip=True)
    found, n = encoded(dataset, coder), len(dataset.train)
    assert len(found.train) == 2 * n and len(found.reference) == len(dataset.reference)
    assert found.train.labels is not None
    np.testing.assert_array_equal(found.train.labels[:n], found.train.labels[n:])
    mirrored = coder.encode(dataset.train.items[:9, :, ::-1])
    np.testing.assert_allclose(found.train.items[n : n + 9], mirrored, atol=1e-5)
    assert not found.form.flip


def test_other_data_and_other_weights_have_latents_of_their_own(
    other: Run, coder: ImageReconstruction, tmp_path: Path
) -> None:
    dataset = dataset_of(other)
    folders = {Path(encoded(dataset, coder).train.items.filename).parent}
    folders.add(Path(encoded(replace(dataset, fingerprint="x"), coder).train.items.filename).parent)
    raw, _ = other.trained_task(raw=True)
    assert isinstance(raw, ImageReconstruction)
    folders.add(Path(encoded(dataset, raw).train.items.filename).parent)
    assert len(folders) == 3


# Runs ------------------------------------------------------------------------------------------


def test_it_draws_and_is_measured_as_images(finished: Run) -> None:
    samples = finished.sample(num=12, steps=2)
    assert samples.items.shape == (12, 8, 8, 1) and samples.items.dtype == np.uint8
    assert samples.form.is_latent and samples.form.item_shape == (2, 4, 4)
    assert finished.read_json("data_report.json")["form"]["kind"] == "ImageForm"
    metrics = finished.read_json("evaluation.json")["metrics"]
    assert {"frechet_distance", "label_agreement", "nearest_train_ratio"} <= metrics.keys()
    for name in ("final.png", "denoising.gif", "forward.png", "nearest.png"):
        assert (finished.folder / "samples" / name).is_file()


def test_it_has_no_likelihood(finished: Run) -> None:
    with pytest.raises(InputError, match="no likelihood: its model knows the data's latents"):
        finished.evaluate(likelihood=True)


def test_the_statistics_are_in_the_checkpoint(finished: Run, other: Run) -> None:
    checkpoint = finished.newest_checkpoint()
    assert checkpoint is not None
    seen = seen_data(finished, finished.open_data(), finished.others())
    assert isinstance(seen, LatentDataset)
    for group in ("model", "average"):
        kept = checkpoint.groups[group]
        assert kept["form.mean"].equal(seen.form.whitening.mean)
        assert kept["form.std"].equal(seen.form.whitening.std)
        assert bytes(kept["form.autoencoder"].tolist()) == seen.form.digest
    assert not any(name.startswith("form.encoder") for name in checkpoint.groups["model"])


def test_the_folder_alone_is_enough_to_draw(finished: Run, tmp_path: Path) -> None:
    before = finished.sample(num=4).items
    moved = tmp_path / "moved"
    shutil.copytree(finished.folder, moved)
    text = (moved / "recipe.yaml").read_text()
    there = str(finished.recipe.task.autoencoder.run)
    (moved / "recipe.yaml").write_text(text.replace(there, str(tmp_path / "gone")))
    np.testing.assert_array_equal(Run.open(moved).sample(num=4).items, before)


def test_an_interrupted_run_resumes_to_the_byte(finished: Run, other: Run, tmp_path: Path) -> None:
    run = Run.create(latent_recipe(tmp_path, other), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    Run.open(run.folder).resume(evaluate=False)
    assert checkpoint_bytes(run) == checkpoint_bytes(finished)


def test_a_unet_draws_in_latents(other: Run, tmp_path: Path) -> None:
    network = ("network=unet", "network.channels=8", "network.multipliers=[1,2]")
    small = ("network.blocks=1", "network.head_width=8", "training.steps=1")
    run = Run.create(latent_recipe(tmp_path, other, *network, *small), tmp_path / "run")
    run.train(evaluate=False)
    assert run.sample(num=2).items.shape == (2, 8, 8, 1)


# Refusals --------------------------------------------------------------------------------------


def test_another_autoencoder_is_refused(finished: Run, other: Run, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(finished.folder, changed)
    copy = changed / "others" / "task.autoencoder"
    shutil.rmtree(copy)
    shutil.copytree(other.folder, copy)  # the same recipe at an earlier step
    for path in (copy / "checkpoints").glob("step-*20"):
        shutil.rmtree(path)
    said = "is not the one on whose latents the weights were trained"
    with pytest.raises(InputError, match=said):
        Run.open(changed).sample(num=2)
    newest = Run.open(changed).checkpoints.path(6)
    shutil.rmtree(newest)
    with pytest.raises(InputError, match=said):
        Run.open(changed).resume(evaluate=False)


def test_a_run_that_is_no_autoencoder_is_refused(finished: Run, tmp_path: Path) -> None:
    recipe = latent_recipe(tmp_path, finished)
    with pytest.raises(
        InputError, match=r"task\.autoencoder\.run is .* which has no latents; name"
    ):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)


def test_an_autoencoder_of_other_items_is_refused(
    other: Run, digit_files: Path, tmp_path: Path
) -> None:
    recipe = latent_recipe(tmp_path, other, "data=images", f"data.path={digit_files}")
    with pytest.raises(InputError, match=r"an autoencoder of items of shape \(1, 8, 8\); the data"):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)


def test_augmentation_is_refused(other: Run, tmp_path: Path) -> None:
    recipe = latent_recipe(tmp_path, other, "data.augment=0.2")
    with pytest.raises(InputError, match=r"latents are computed once; set data\.augment=0"):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)


def test_a_patch_larger_than_the_latents_is_refused(other: Run, tmp_path: Path) -> None:
    recipe = latent_recipe(tmp_path, other, "network.patch=8")
    said = r"its data, which it sees as latents of 2 x 4 x 4: network\.patch 8 does not divide"
    with pytest.raises(InputError, match=said):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)


def test_a_recipe_without_the_other_run_says_which_key_is_missing() -> None:
    with pytest.raises(InputError, match=r"'task\.autoencoder\.run' is missing"):
        Recipe.load("mnist-latent", ["data.path=anywhere"])
