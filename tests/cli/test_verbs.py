"""The verbs on a real, tiny run: what they write, what they print, how they end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from noiseloom import cli
from noiseloom.config import parse, read_text
from noiseloom.runs import Recipe

TINY = ["network.width=32", "network.depth=1", "network.heads=2", "training.batch_size=8"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    words = ["train", "digits", *TINY, "training.steps=4", "--no-evaluate", "--out", str(folder)]
    assert cli.main(words) == 0
    return str(folder)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    capsys.readouterr()
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(list(words)) == 2
    return capsys.readouterr().err


# train, resume ---------------------------------------------------------------------------------


def test_train_leaves_a_run(run: str) -> None:
    recipe = yaml.safe_load((Path(run) / "recipe.yaml").read_text())
    assert recipe["training"]["steps"] == 4
    assert recipe["training"]["max_minutes"] is None
    assert (Path(run) / "metrics.jsonl").is_file()


def test_train_json_is_its_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    words = ["train", "digits", *TINY, "training.steps=2", "--no-evaluate", "--out", out]
    assert told(capsys, *words)["steps"] == 2


def test_train_never_overwrites(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "noiseloom resume" in refused(capsys, "train", "digits", "--out", run)


def test_train_refuses_a_recipe_whole_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    said = refused(
        capsys, "train", "digits", "network.dpeth=2", "training.steps=x", "--out", str(out)
    )
    assert "unknown key 'network.dpeth'" in said
    assert "'training.steps' is \"x\"" in said
    assert not out.exists()


def test_resume_of_a_finished_run_changes_nothing(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in Path(run, "checkpoints").rglob("*.safetensors")}
    assert cli.main(["resume", run, "--no-evaluate"]) == 0
    assert before == {path: path.read_bytes() for path in before}


def test_resume_of_no_run_names_the_newest(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "resume", str(Path(run).parent))
    assert "is not a run" in said
    assert run in said


def test_sigterm_saves_and_names_the_way_back(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    code = "import sys; from noiseloom.cli import main; sys.exit(main())"
    words = ["train", "digits", *TINY, "training.steps=100000", "--no-evaluate", "--out", out]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "step 1/" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"Go on with: noiseloom resume {out}" in said
    assert (tmp_path / "run/checkpoints/latest").is_file()


# sample ----------------------------------------------------------------------------------------


def test_sample_a_sheet_carries_its_recipe(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.png"
    assert told(capsys, "sample", run, "--num", "4", "--steps", "2", "--out", str(out))["num"] == 4
    with Image.open(out) as picture:
        text = picture.info["recipe"]
    assert parse(Recipe, read_text(text, "png")).training.steps == 4


def test_sample_arrays_with_the_labels_asked_for(run: str, tmp_path: Path) -> None:
    out = tmp_path / "arrays.npz"
    words = ["sample", run, "--num", "5", "--label", "7,3", "--label", "1", "--out", str(out)]
    assert cli.main([*words, "--steps", "2"]) == 0
    arrays = np.load(out)
    assert arrays["images"].shape == (5, 8, 8, 1)
    assert arrays["images"].dtype == np.uint8
    assert arrays["labels"].tolist() == [7, 3, 1, 7, 3]


def test_sample_a_film_and_a_folder(run: str, tmp_path: Path) -> None:
    film, folder = tmp_path / "film.gif", tmp_path / "folder"
    assert cli.main(["sample", run, "--num", "2", "--steps", "3", "--out", str(film)]) == 0
    with Image.open(film) as picture:
        assert getattr(picture, "n_frames", 1) >= 3
    assert cli.main(["sample", run, "--num", "2", "--steps", "2", "--out", f"{folder}/"]) == 0
    assert len(list(folder.glob("*.png"))) == 2


def test_sample_goes_into_the_run_where_nothing_else_is_said(run: str) -> None:
    assert cli.main(["sample", run, "--num", "2", "--steps", "2", "--seed", "5"]) == 0
    assert (Path(run) / "samples/seed-5.png").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "samples.txt"], "FILE.png"),
        (["--label", "eleven"], "no class 'eleven'"),
        (["--sampler", "huen"], "'heun'"),
        (["--guidance", "strong"], "--guidance"),
    ],
)
def test_sample_refuses(
    run: str, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refused(capsys, "sample", run, *words)


def test_sample_says_that_the_newest_checkpoint_is_damaged(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(run, tmp_path / "run")
    newest = max((copied / "checkpoints").glob("step-*")) / "average.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    capsys.readouterr()
    out = str(tmp_path / "sheet.png")
    assert cli.main(["sample", str(copied), "--num", "2", "--steps", "2", "--out", out]) == 0
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_run_of_a_gpu_is_sampled_on_a_processor(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(run, tmp_path / "run")
    recipe = copied / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("device: auto", "device: cuda"))
    words = ["sample", str(copied), "--num", "2", "--steps", "2"]
    assert "--device cpu" in refused(capsys, *words)
    assert cli.main([*words, "--device", "cpu"]) == 0


# predict ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs") / "classifier"
    small = ["network.width=4", "training.batch_size=8", "training.steps=4"]
    words = ["train", "digits-classifier", *small, "--no-evaluate", "--out", str(folder)]
    assert cli.main(words) == 0
    return str(folder)


def test_predict_says_a_class_and_how_sure_it_is(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / f"{shade}.png") for shade in (0, 200)]
    for file, shade in zip(files, (0, 200), strict=True):
        Image.new("L", (8, 8), shade).save(file)
    found = told(capsys, "predict", classifier, *files)
    assert [one["file"] for one in found["predictions"]] == files
    for one in found["predictions"]:
        assert list(one["probabilities"]) == [str(digit) for digit in range(10)]
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert one["probabilities"][one["class"]] == max(one["probabilities"].values())
    assert cli.main(["predict", classifier, files[0]]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{re.escape(files[0])}  \d \(\d+\.\d%\)", line)


def test_each_verb_names_the_one_for_the_run(
    run: str, classifier: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Use it with: noiseloom sample" in refused(capsys, "predict", run, "picture.png")
    said = refused(capsys, "sample", classifier)
    assert f"draws no samples. Use it with: noiseloom predict {classifier}" in said
    assert "--steps would say" in refused(capsys, "evaluate", classifier, "--steps", "3")


def test_evaluate_a_classifier(classifier: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(told(capsys, "evaluate", classifier)["baselines"]) == {
        "logistic regression",
        "most frequent class",
    }
    assert cli.main(["evaluate", classifier]) == 0
    said = capsys.readouterr().out
    assert "logistic regression" in said
    assert f"Use: noiseloom predict {classifier} picture.png" in said


# data, recipes ---------------------------------------------------------------------------------


def test_data_check_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "data", "check", "digits")["counts"]["used"] == 1797
    assert cli.main(["data", "check", "digits"]) == 0
    assert "1,797" in capsys.readouterr().out


def test_data_check_of_an_empty_folder_is_the_datas_fault(tmp_path: Path) -> None:
    assert cli.main(["data", "check", "image-folder", f"data.path={tmp_path}"]) == 3


def test_recipes_lists_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    names = [recipe["name"] for recipe in told(capsys, "recipes")["recipes"]]
    assert "digits" in names
    for name in names:
        assert cli.main(["recipes", name]) == 0
        assert parse(Recipe, read_text(capsys.readouterr().out, name)).name == name


def test_recipes_suggests_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(8):
        Image.new("L", (16, 16), index * 20).save(tmp_path / f"{index}.png")
    assert told(capsys, "recipes", "suggest", str(tmp_path))["command"].startswith(
        "noiseloom train"
    )
    assert cli.main(["recipes", "suggest", str(tmp_path)]) == 0
    assert "minutes" in capsys.readouterr().out
