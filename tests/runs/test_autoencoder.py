"""A run that reconstructs: what it keeps, says and refuses, and that it resumes to the byte."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from noiseloom.errors import ConfigError, InputError
from noiseloom.media import picture_of, save_png
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Progress

from .autoencoders import AUTOENCODER, autoencoder, recipe_of

VQ = ("network.bottleneck=vq", "network.bottleneck.codes=16", "network.bottleneck.patience=5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return autoencoder(tmp_path_factory.mktemp("autoencoder"), evaluate=True)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return autoencoder(tmp_path_factory.mktemp("quantised"), *VQ, evaluate=True)


def checkpoint_bytes(run: Run) -> dict[str, bytes]:
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_leaves_originals_over_reconstructions_and_no_samples(finished: Run) -> None:
    names = {path.name for path in (finished.folder / "samples").iterdir()}
    assert "reconstructions.png" in names and "step-00000010.png" in names
    assert not names & {"final.png", "predictions.png", "denoising.gif"}
    page = (finished.folder / "report.html").read_text()
    for said in ("There and back", "Shrinking", "as they came back", "task.autoencoder.run="):
        assert said in page
    for unsaid in ("<h2>Samples", "noiseloom sample", "Into noise", "sampler"):
        assert unsaid not in page
    card = (finished.folder / "README.md").read_text()
    assert "samples/reconstructions.png" in card
    assert "| figure | this model | 95 % interval | shrinking | real data |" in card


def test_the_figures_are_those_of_its_reconstructions(finished: Run) -> None:
    evaluation = finished.read_json("evaluation.json")
    reference = finished.open_data().reference
    found = finished.reconstruct(reference.items)
    error = ((found.items / 255 - reference.items / 255) ** 2).mean()
    assert evaluation["metrics"]["squared_error"] == pytest.approx(error)
    assert evaluation["metrics"]["latent_nats"] > 0
    assert found.latents.shape == (len(reference), 2, 4, 4)
    assert evaluation["protocol"]["latents"] == [2, 4, 4]
    assert evaluation["protocol"]["numbers_kept"] == 0.5
    spread = found.latents.std(axis=(0, 2, 3))
    np.testing.assert_allclose(evaluation["checks"]["latent_std"], spread, rtol=1e-4)
    assert evaluation["floor"].keys() == {"frechet_distance"}


def test_a_codebook_run_says_how_its_codes_are_used(quantised: Run) -> None:
    metrics = quantised.read_json("evaluation.json")["metrics"]
    assert 1 / 16 <= metrics["codes_used"] <= 1
    assert 1 <= metrics["code_perplexity"] <= 16
    assert "latent_nats" not in metrics


@pytest.mark.parametrize("overrides", [(), VQ])
def test_an_interrupted_run_resumes_to_the_byte(
    overrides: tuple[str, ...], finished: Run, quantised: Run, tmp_path: Path
) -> None:
    run = Run.create(recipe_of(AUTOENCODER, tmp_path, *overrides), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    Run.open(run.folder).resume(evaluate=False)
    assert checkpoint_bytes(run) == checkpoint_bytes(quantised if overrides else finished)


def test_image_files_come_back_as_arrays_do(finished: Run, tmp_path: Path) -> None:
    items = finished.open_data().reference.items[:2]
    for index, item in enumerate(items):
        save_png(picture_of(item), tmp_path / f"{index}.png")
    found = finished.reconstruct([tmp_path / "0.png", tmp_path / "1.png"])
    np.testing.assert_array_equal(found.originals, items)
    np.testing.assert_array_equal(found.items, finished.reconstruct(items).items)
    assert found.picture().height > found.form.picture(items, columns=2).height


# Features in the loss --------------------------------------------------------------------------


def test_a_classifier_of_the_same_data_joins_the_loss(tmp_path: Path) -> None:
    small = ("network.width=4", "training.steps=2", "training.batch_size=4")
    classifier = Run.create(Recipe.load("digits-classifier", small), tmp_path / "classifier")
    classifier.train(evaluate=False)
    asked = f"task.perceptual.classifier.run={classifier.folder}"
    run = autoencoder(tmp_path, "training.steps=2", asked)
    task, _ = run.trained_task()
    assert not any("encoder.head" in name for name in task.model.state_dict())  # a guest
    assert (run.folder / "others/task.perceptual.classifier/recipe.yaml").is_file()


def test_a_run_without_features_is_refused(finished: Run, tmp_path: Path) -> None:
    asked = f"task.perceptual.classifier.run={finished.folder}"
    with pytest.raises(InputError, match=r"has no features to compare images by; name a run of"):
        autoencoder(tmp_path, "training.steps=1", asked)


# Refusals --------------------------------------------------------------------------------------


def test_it_says_what_it_is_for(finished: Run) -> None:
    with pytest.raises(InputError, match="reconstructs images and draws no samples. Use it with"):
        finished.sample(num=2)
    with pytest.raises(InputError, match="reconstructs images and is measured on held-out items"):
        finished.evaluate(steps=3)


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers reconstructions. Use network autoencoder"):
        recipe_of(AUTOENCODER, tmp_path, "network=unet")
