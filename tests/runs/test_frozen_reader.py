"""A run whose captions are read by a frozen text model, from files to pictures of prompts."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom.data.text_model import TextModel
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Note
from tests.data.text_models import write_model
from tests.runs.captioned import SMALL

pytest.importorskip("transformers", reason="text models need transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with captions in `data`, a text model in `model`."""
    folder = tmp_path_factory.mktemp("frozen")
    write_model(folder / "model")
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "data" / f"{number}.png")
        shade = "light" if number % 2 else "dark"
        (folder / "data" / f"{number}.txt").write_text(f"a {shade} red")
    return folder


def train(folder: Path, name: str, model: Path | None = None) -> Run:
    reader = f"{{name: frozen, model: {model or folder / 'model'}}}"
    recipe = Recipe.load(
        "captioned-folder", [f"data.path={folder / 'data'}", *SMALL, f"task.reader={reader}"]
    )
    run = Run.create(recipe, folder / name)
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return train(folder, "run")


def test_the_run_says_which_model_read_its_captions(run: Run, folder: Path) -> None:
    told = run.read_json("environment.json")["reader"]
    digest = TextModel(str(folder / "model"), 1).digest.hex()
    assert told["sha256"] == digest and told["kind"] == "t5" and told["width"] == 16
    assert f"model: {folder / 'model'}" in (run.folder / "recipe.yaml").read_text()
    checkpoint = run.checkpoints.load()
    assert checkpoint is not None
    weights = checkpoint.groups["average"]
    (kept,) = (value for name, value in weights.items() if name.endswith("model_digest"))
    assert bytes(kept.tolist()).hex() == digest
    (deviation,) = (value for name, value in weights.items() if name.endswith("embed.deviation"))
    assert deviation.shape == (16,) and not (deviation == 1).any()  # it has been learned
    assert not any("encoder.block" in name for name in weights)  # none of the model's own


def test_training_reads_no_caption_twice_and_another_model_is_refused(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("the model was loaded")

    model = Path(shutil.copytree(folder / "model", folder / "moved"))
    with monkeypatch.context() as patch:
        patch.setattr(TextModel, "_load", refuse)
        again = train(folder, "again", model)  # its captions lie in the cache, previews' too
    first, second = (one.checkpoints.load() for one in (run, again))
    assert first is not None and second is not None
    for name, value in first.groups["model"].items():
        assert value.equal(second.groups["model"][name])
    write_model(model, seed=1)
    with pytest.raises(InputError, match="moved is not the model that captions were read by in"):
        again.sample(prompts="a light red")
    with pytest.raises(InputError, match="moved is not the model that captions were read by in"):
        again.train(evaluate=False)
    shutil.rmtree(model)
    with pytest.raises(InputError, match=r"moved holds no text model: .*Hugging Face's layout"):
        again.sample(prompts="a light red")


def test_prompts_are_read_by_the_model(run: Run) -> None:
    said: list[str] = []

    def hear(event: object) -> None:
        if isinstance(event, Note):
            said.append(event.text)

    two = run.sample(prompts=["a light red", "a dark red"], guidance=2.0, negative="a green")
    assert np.isfinite(two.items).all() and two.captions == ["a light red", "a dark red"]
    said.clear()
    run.sample(prompts=["a light zebra"], steps=1, on_event=hear)
    (note,) = said
    assert note.startswith("zebra stands in no caption that this run was trained on: it knows of")
    assert note.endswith("model says, and has never drawn it.")


def test_captions_that_the_model_cuts_are_said(folder: Path) -> None:
    reader = f"{{name: frozen, model: {folder / 'model'}, longest: 3}}"
    said: list[str] = []

    def hear(event: object) -> None:
        if isinstance(event, Note):
            said.append(event.text)

    recipe = Recipe.load(
        "captioned-folder",
        [f"data.path={folder / 'data'}", *SMALL, f"task.reader={reader}", "training.steps=1"],
    )
    run = Run.create(recipe, folder / "cut")
    run.train(evaluate=False, on_event=hear)
    assert any(re.match("2 of 2 captions are longer than the 3 tokens that ", one) for one in said)
    said.clear()
    run.sample(prompts="a light red", on_event=hear)
    assert said == [
        f"1 prompt is longer than the 3 tokens that {folder / 'model'} reads, and cut there. The "
        "first of them: a light red"
    ]


def test_what_is_measured_is_read_too(run: Run) -> None:
    result = run.evaluate(num=20)
    assert result["protocol"]["num"] == 20 and np.isfinite(result["loss_by_time"]["held_out"]).all()
