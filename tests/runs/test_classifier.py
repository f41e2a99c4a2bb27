"""A run that predicts: what it keeps, says, refuses, and that it resumes to the byte."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.config import ConfigError
from noiseloom.errors import InputError
from noiseloom.media import picture_of, save_png
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Note, Progress

SMALL = ("network.width=8", "training.batch_size=16", "training.steps=60")


def small(*overrides: str) -> Recipe:
    return Recipe.load("digits-classifier", [*SMALL, *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(small(), tmp_path_factory.mktemp("runs") / "finished")
    run.train()
    return run


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    network = ("network.depth=1", "network.width=24", "network.heads=2")
    recipe = Recipe.load("digits", [*network, "training.steps=1", "training.batch_size=4"])
    run = Run.create(recipe, tmp_path_factory.mktemp("runs") / "drawing")
    run.train(evaluate=False)
    return run


def checkpoint_bytes(run: Run) -> dict[str, bytes]:
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_leaves_what_it_reads_and_no_samples(finished: Run) -> None:
    pictures = {path.name for path in (finished.folder / "samples").iterdir()}
    assert pictures - {"mistakes.png"} == {"predictions.png", "confusion.png"}
    evaluation = finished.read_json("evaluation.json")
    assert evaluation["metrics"]["accuracy"] > 0.5
    assert evaluation["protocol"]["weights"] == "ema"
    assert evaluation["protocol"]["trained_steps"] == 60
    page = (finished.folder / "report.html").read_text()
    for said in ("What it reads", "Logistic regression", "noiseloom predict", "right, by class"):
        assert said in page
    for unsaid in ("<h2>Samples", "noiseloom sample", "Into noise", "Nearest training", "sampler"):
        assert unsaid not in page
    card = (finished.folder / "README.md").read_text()
    assert "pipeline_tag: image-classification\n---" in card
    assert "| figure | this model | 95 % interval | logistic regression |" in card
    assert "noiseloom predict" in card and "noiseloom sample" not in card


def test_the_figures_are_those_of_its_predictions(finished: Run) -> None:
    reference = finished.open_data().reference
    found = finished.predict(reference.items)
    accuracy = float((found.labels == reference.labels).mean())
    assert finished.read_json("evaluation.json")["metrics"]["accuracy"] == pytest.approx(accuracy)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert found.names[0] == found.class_names[found.labels[0]]
    assert found.confidence[0] == found.probabilities[0].max()
    assert not np.array_equal(
        finished.predict(reference.items, raw=True).probabilities, found.probabilities
    )


def test_an_interrupted_classifier_resumes_to_the_byte(finished: Run, tmp_path: Path) -> None:
    run = Run.create(small(), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 25:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    assert 25 <= run.checkpoints.steps()[-1] < 60
    Run.open(run.folder).resume(evaluate=False)
    assert checkpoint_bytes(run) == checkpoint_bytes(finished)


def test_a_time_budget_is_measured_without_previews(tmp_path: Path) -> None:
    recipe = Recipe.load("digits-classifier", ["network.width=4", "training.max_minutes=0.02"])
    run = Run.create(recipe, tmp_path / "run")
    notes: list[object] = []
    run.train(evaluate=False, on_event=notes.append)
    assert run.read_json("environment.json")["settled"]["step_seconds"] > 0
    assert any(isinstance(note, Note) and "how many steps" in note.text for note in notes)
    assert not list((run.folder / "samples").glob("step-*"))


# Reading files ---------------------------------------------------------------------------------


def test_image_files_are_read_as_training_images_are(finished: Run, tmp_path: Path) -> None:
    items = finished.open_data().reference.items[:3]
    for index, item in enumerate(items):
        save_png(picture_of(item), tmp_path / f"{index}.png")
    found = finished.predict([tmp_path / f"{index}.png" for index in range(3)])
    expected = finished.predict(items)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    Image.new("RGB", (30, 20), (200, 30, 30)).save(tmp_path / "photo.jpg")
    assert len(finished.predict([str(tmp_path / "photo.jpg")]).names) == 1


def test_what_cannot_be_read_is_named(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png cannot be read as an image \(not an image"):
        finished.predict([tmp_path / "text.png"])
    with pytest.raises(InputError, match=r"gone\.png cannot be read"):
        finished.predict([tmp_path / "gone.png"])
    with pytest.raises(InputError, match=r"No items were given"):
        finished.predict([])
    with pytest.raises(InputError, match=r"uint8 arrays of shape \(N, 8, 8, 1\)"):
        finished.predict(np.zeros((2, 8, 8), dtype=np.uint8))


# Refusals --------------------------------------------------------------------------------------


def test_each_run_says_what_it_is_for(finished: Run, drawing: Run) -> None:
    with pytest.raises(InputError) as refused:
        finished.sample(num=2)
    assert str(refused.value) == (
        f"{finished.folder} predicts classes and draws no samples. Use it with: "
        f"noiseloom predict {finished.folder} picture.png"
    )
    with pytest.raises(InputError) as refused:
        drawing.predict(["picture.png"])
    assert str(refused.value) == (
        f"{drawing.folder} draws samples and predicts no classes. Use it with: "
        f"noiseloom sample {drawing.folder} --num 64 --out samples.png"
    )


def test_how_samples_are_drawn_is_not_said_of_predictions(finished: Run) -> None:
    with pytest.raises(InputError, match=r"--num, --steps would say how samples are drawn"):
        finished.evaluate(num=20, steps=3)


@pytest.mark.parametrize(
    ("recipe", "override", "key", "said"),
    [
        (
            "digits-classifier",
            "network=dit",
            "network",
            "network 'dit' is made for a task that answers items, and task 'image-classification' "
            "answers classes. Use network convolutional-classifier",
        ),
        (
            "digits-classifier",
            "evaluation=images",
            "evaluation",
            "Use evaluation classification",
        ),
        (
            "digits",
            "network=convolutional-classifier",
            "network",
            "task 'unconditional-image-generation' answers items. Use network dit or mlp or unet",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_those_that_do(
    recipe: str, override: str, key: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Recipe.load(recipe, [override])
    (problem,) = refused.value.problems
    assert problem.key == key
    assert said in str(problem)


def test_all_parts_that_do_not_fit_are_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    lines = ["task: image-classification", "data: digits", "network: mlp"]
    lines += ["training: {steps: 1}", "evaluation: points"]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError) as refused:
        Recipe.load(path)
    found = [(problem.key, problem.line) for problem in refused.value.problems]
    assert found == [("network", 3), ("evaluation", 5)]


def test_augmentation_that_may_change_a_class_is_refused(tmp_path: Path) -> None:
    recipe = Recipe.load("digits-classifier", ["training.steps=2", "data.augment=0.1"])
    with pytest.raises(InputError, match="may change their class"):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)


def test_data_without_labels_is_refused(digit_files: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(
        "digits-classifier", ["data=images", f"data.path={digit_files}", "data.labels=none"]
    )
    with pytest.raises(InputError, match=r"does not fit its data: .*the data has no labels"):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)
