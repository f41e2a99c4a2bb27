"""A run on images of several shapes, from files to pictures of the shape that is asked for."""

import json
import os
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from noiseloom import cli
from noiseloom.data.buckets import candidates, cut_away, in_words, nearest
from noiseloom.data.dataset import Dataset
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.runs.building import build_task
from noiseloom.runs.editing import Editor
from noiseloom.runs.trainer import measure_statistics
from noiseloom.training.loop import Progress, Training
from tests.runs.processes import assert_close, finish, train

WIDE, TALL = (8, 16), (16, 8)
SMALL = (
    "network.width=32",
    "network.depth=1",
    "network.heads=2",
    "network.text_depth=1",
    "training.steps=120",
    "training.batch_size=16",
    "training.snapshots=0",
    "training.precision=float32",
    "task.sampler.steps=4",
    "data.size=12",
    "data.buckets=3",
    "data.bucket_step=4",
    "data.longest=14",
    "data.held_out=0.4",
    "evaluation.feature_images=64",
    "evaluation.draws=2",
    "evaluation.bootstrap=20",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 wide pictures, which are red, and 40 tall ones, which are blue; captions say neither."""
    folder = tmp_path_factory.mktemp("mixed")
    random = np.random.default_rng(0)
    for number in range(90):
        is_wide = number < 50
        pixels = random.integers(0, 50, (*(WIDE if is_wide else TALL), 3), np.uint8)
        pixels[:, :, 0 if is_wide else 2] += 200
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        (folder / f"{number:02d}.txt").write_text("a picture")
    return folder


def recipe_for(folder: Path, *overrides: str) -> Recipe:
    return Recipe.load("captioned-folder", [f"data.path={folder}", *SMALL, *overrides])


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(recipe_for(folder), tmp_path_factory.mktemp("runs") / "run")
    run.train(evaluate=False)
    return run


def test_what_a_shape_goes_with_is_learned_without_a_word(run: Run) -> None:
    assert run.form.sizes == (WIDE, TALL)
    wide = run.sample(prompts="a picture", num=6, guidance=1.0)
    tall = run.sample(prompts="a picture", num=6, guidance=1.0, size=TALL)
    assert wide.items.shape == (6, *WIDE, 3) and tall.items.shape == (6, *TALL, 3)
    (red, _, no_blue), (no_red, _, blue) = (one.items.mean(axis=(1, 2)).T for one in (wide, tall))
    assert red.min() > 150 > 100 > no_blue.max()
    assert blue.min() > 150 > 100 > no_red.max()
    assert np.array_equal(wide.items, run.sample(num=6, guidance=1.0, size=WIDE).items)
    width, height = tall.picture(columns=1).size
    assert height > 6 * width / 2  # each in its own shape
    sheets = {path.name for path in (run.folder / "samples").glob("final*.png")}
    assert sheets == {"final.png", "final-16x8.png"}


def test_the_command_asks_for_a_shape(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["sample", str(run.folder), "--prompt", "a picture", "--num", "2", "--steps", "1"]
    assert cli.main([*asked, "--size", "16x8", "--out", f"{tmp_path}/tall/"]) == 0
    for path in (tmp_path / "tall").glob("*.png"):
        with Image.open(path) as picture:
            assert picture.size == (8, 16)
    assert cli.main([*asked, "--size", "16X8", "--out", f"{tmp_path}/tall.npz"]) == 0
    with np.load(tmp_path / "tall.npz", allow_pickle=False) as kept:
        assert kept["images"].shape == (2, 16, 8, 3)
    assert cli.main([*asked, "--size", "16x8", "--out", f"{tmp_path}/tall.gif"]) == 0
    capsys.readouterr()
    assert cli.main([*asked, "--size", "12x12"]) == 2
    assert "Samples of 12x12 (height x width) are asked for, and this run draws 8x16, 16x8" in (
        " ".join(capsys.readouterr().err.split())
    )
    assert cli.main([*asked, "--size", "wide"]) == 2
    assert "allowed is HEIGHTxWIDTH" in capsys.readouterr().err


def test_what_the_page_says_of_shapes_works(run: Run, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "text-to-image.md").read_text()
    (line,) = re.findall(r"^noiseloom (sample runs/captioned-folder-1 .*--size .*)$", page, re.M)
    said = [str(run.folder) if word.startswith("runs/") else word for word in shlex.split(line)]
    said[said.index("--size") + 1] = "16x8"
    assert cli.main([*said, "--steps", "1", "--out", f"{tmp_path}/asked.png"]) == 0
    for size, shape in (((32, 32), "32x32"), ((4, 3), "28x36"), ((3, 2), "24x40")):
        assert in_words(nearest(size, candidates(32, 4))) == shape
        assert f"{cut_away(size, nearest(size, candidates(32, 4))):.0%}".replace("%", " %") in page


def test_it_is_measured_on_the_commonest_shape_and_says_so(run: Run) -> None:
    protocol = run.evaluate(num=10)["protocol"]
    assert protocol["size"] == "8x16" and protocol["sizes"] == ["8x16", "16x8"]
    alike = run.open_data().alike()
    assert protocol["reference"] == len(alike.reference)
    assert protocol["training_images"] == len(alike.train)
    page = (run.folder / "report.html").read_text()
    assert "of the commonest of 2 shapes, 8x16 (height x width)" in page
    assert "in 2 shapes of about 16 × 8" in page


def trained(dataset: Dataset, recipe: Recipe, **changes: object) -> tuple[list[float], list[float]]:
    """Losses of a few steps, and the sums of the weights after them."""
    task = build_task(recipe, dataset.form, measure_statistics(dataset), "cpu")
    config = replace(recipe.training, steps=6, **changes)
    training = Training(config, task, dataset.train, "float32", 6)
    losses = [training.advance()[0] for _ in range(6)]
    return losses, [float(one.detach().double().sum()) for one in task.model.parameters()]


def test_no_pixel_of_the_canvas_reaches_network_statistics_or_loss(folder: Path) -> None:
    recipe = recipe_for(folder)
    dataset: Dataset = recipe.data.open()
    poisoned = np.random.default_rng(0).integers(0, 256, dataset.train.items.shape, np.uint8)
    for size, place in dataset.train.places.items():
        poisoned[place, : size[0], : size[1]] = dataset.train.of_size(size).items
    assert not np.array_equal(poisoned, dataset.train.items)
    other = replace(dataset, train=replace(dataset.train, items=poisoned))
    assert measure_statistics(other).std == measure_statistics(dataset).std
    assert trained(other, recipe) == trained(dataset, recipe)


def test_parts_of_a_batch_add_up_to_it(folder: Path) -> None:
    recipe = recipe_for(folder)
    dataset = recipe.data.open()
    whole, parts = trained(dataset, recipe), trained(dataset, recipe, accumulate=4)
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-4)


def test_an_interrupted_run_resumes_to_the_byte(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_for(folder, "training.steps=8", "training.checkpoint_every=4")
    whole, stopped = (Run.create(recipe, tmp_path / name) for name in ("whole", "stopped"))
    whole.train(evaluate=False)

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        stopped.train(evaluate=False, on_event=interrupt)
    assert stopped.checkpoints.steps()[-1] < 8
    stopped.resume(evaluate=False)
    one, other = (
        {path.name: path.read_bytes() for path in run.checkpoints.path(8).iterdir()}
        for run in (whole, stopped)
    )
    assert one == other


@pytest.mark.slow  # it starts two processes
def test_two_processes_train_as_one(folder: Path, tmp_path: Path) -> None:
    overrides = [f"data.path={folder}", *SMALL, "training.steps=12", "training.log_every=1"]
    alone = Run.create(Recipe.load("captioned-folder", overrides), tmp_path / "alone")
    alone.train(evaluate=False)
    child = train(
        tmp_path / "together", [*overrides, "training.accumulate=2"], recipe="captioned-folder"
    )
    code, said = finish(child)
    assert code == 0, said
    assert_close(alone, Run.open(tmp_path / "together"))


@pytest.mark.slow  # it calls a C++ compiler
@pytest.mark.filterwarnings("ignore")  # what torch warns itself of while it compiles
def test_compiled_blocks_train_as_they_are(folder: Path) -> None:
    recipe = recipe_for(folder)
    dataset = recipe.data.open()
    plain, compiled = trained(dataset, recipe), trained(dataset, recipe, compile=True)
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-3)


def test_a_frozen_copy_of_it_guides_and_is_edited_in_the_usual_shape(run: Run) -> None:
    guided = run.sample(prompts="a picture", num=1, autoguide=str(run.folder), size=TALL, steps=1)
    assert guided.items.shape == (1, *TALL, 3)
    picture = np.zeros((*WIDE, 3), np.uint8)
    path = run.folder / "given.png"
    Image.fromarray(picture).resize((64, 31)).save(path)
    varied = Editor(run).vary(path, num=1, steps=2)
    assert varied.samples.items.shape == (1, *WIDE, 3)


def test_networks_and_tasks_of_one_shape_are_refused(folder: Path) -> None:
    recipe = recipe_for(folder, "network.patch=16", "network.border=0")
    dataset = recipe.data.open()
    for other, words in (
        (recipe, "does not divide images of 8x16"),
        (Recipe.load("digits", ["network={name: unet}"]), "of 2 sizes .* network takes images of"),
        (Recipe.load("digits", ["network={name: mlp}"]), "Use network dit, or leave data.buckets"),
        (
            Recipe.load("mnist-autoencoder", ["data.path=nowhere"]),
            "task 'image-reconstruction' takes images of one",
        ),
    ):
        with pytest.raises(InputError, match=words):
            build_task(other, dataset.form, measure_statistics(dataset), "cpu")


def test_a_checkpoint_is_read_without_the_data(run: Run) -> None:
    task, _ = run.trained_task()
    state = task.model.state_dict()
    assert state["data_mean"].shape == (3, 1, 1) and torch.isfinite(state["data_mean"]).all()
    assert json.loads((run.folder / "data_report.json").read_text())["form"]["sizes"] == [
        list(WIDE),
        list(TALL),
    ]
