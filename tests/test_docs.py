"""Every command and every Python block of the pages on what to do with a run is run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from noiseloom import cli
from noiseloom.media import picture_of, save_png
from noiseloom.runs import Recipe, Run

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = (
    "editing.md",
    "few-steps.md",
    "guidance.md",
    "latents.md",
    "likelihood.md",
    "refining.md",
    "sampling.md",
)
TINY = ("training.batch_size=8", "training.steps=3", "training.checkpoint_every=1")
DIT = ("network.depth=1", "network.width=24", "network.heads=2", *TINY)
MEASURED = ("evaluation.num=40", "evaluation.draws=2", "evaluation.feature_images=400")
SMALLER = {
    "mnist-classifier": (),
    "mnist-autoencoder": ("network.channels=4",),
    "mnist-latent": (*DIT, *MEASURED),
    "mnist-pixels": DIT,
}
PATHS = ("task.method.paths.num=20", "task.method.paths.steps=2")
QUICK = {
    "sample": ["--num=2", "--steps=2"],
    "edit": ["--steps=3"],
    "tune-sampler": ["--trials=2", "--num=40"],
    "evaluate": ["--num=40"],
    "distill": ["training.steps=2", "training.batch_size=8", *PATHS],
}


def blocks(page: str) -> list[tuple[str, str]]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    text = "\n".join(text for kind, text in blocks(page) if kind == "bash")
    return [line for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digit_files: Path) -> Path:
    """A folder with the runs and the pictures that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    for name, width in (("mnist", "24"), ("smaller", "16")):
        asked = [*DIT, *MEASURED, f"network.width={width}", f"data.path={digit_files}"]
        run = Run.create(Recipe.load("mnist", asked), folder / "runs" / name)
        run.train(evaluate=False)
    three, eight, mask = run.open_data().reference.items[:3].copy()
    mask[:14], mask[14:] = 0, 255
    small = three.reshape(14, 2, 14, 2, 1).mean((1, 3)).round().astype("uint8")
    pictures = {"three": three, "eight": eight, "mask": mask, "small": small}
    for name, item in (pictures | {"part": three[4:20, 4:24]}).items():
        save_png(picture_of(item), folder / f"{name}.png")
    return folder


def test_only_known_blocks() -> None:
    for page in PAGES:
        assert {kind for kind, _ in blocks(page)} <= {"bash", "python"}
        assert all(command.startswith("noiseloom ") for command in commands(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs(
    page: str, folder: Path, digit_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for command in commands(page):
        words = shlex.split(command.replace("FOLDER", str(digit_files)))[1:]
        if words[0] == "train":
            words += [*TINY, *SMALLER.get(words[1], MEASURED), "--no-evaluate"]
        chosen = {"--steps", "--ema", "runs/pixels"} & set(words)  # which has no steps
        quick = ["--num=2"] if chosen and words[0] == "sample" else QUICK.get(words[0], [])
        assert cli.main([*words, *quick]) == 0, command


def test_the_python_runs(folder: Path) -> None:
    (code,) = (text for page in PAGES for kind, text in blocks(page) if kind == "python")
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (folder / "eights.png").is_file()
