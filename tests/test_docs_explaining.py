"""Every command and every Python block of the page on looking inside a run is run, and its table
of which view fits which run is true."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from noiseloom import cli
from noiseloom.explain import VIEWS, fitting
from noiseloom.media import picture_of, save_png
from noiseloom.menu import words
from noiseloom.runs import Recipe, Run

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "explaining.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line]
NET = ("network.width=16", "network.heads=2")
DEEP = (*NET, "network.depth=3")
TINY = ("training.batch_size=8", "training.steps=2", "training.snapshots=0")
SCENES = ("data.num=60", "data.num_reference=90", "network.text_width=8", "task.sampler.steps=2")
RUNS = {
    "mnist": ("mnist", (*DEEP, "task.sampler.steps=2", "evaluation.feature_images=400")),
    "scenes": ("scenes-small", (*DEEP, *SCENES)),
    "book": ("shakespeare", (*DEEP, "data.context=32", "data.tokenizer=characters")),
    "points": (
        "toy-2d",
        ("network.width=8", "network.depth=1", "data.num=300", "task.sampler.steps=2"),
    ),
    "reviews": ("classify-csv", (*NET, "network.depth=1", "network.token_dropout=0.1")),
    "which": ("digits-classifier", ("network.width=4",)),
}
COLUMNS = {  # of the table, the run of each that the tests have; others stand in the room's own
    "images, by class or nothing": "mnist",
    "images by prompt": "scenes",
    "points": "points",
    "writes text": "book",
    "reads text": "reviews",
    "reads images, series": "which",
}
QUICK = {"attribution": ["most_steps=32"], "score-field": ["num=100"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digit_files: Path) -> Path:
    """A folder with the runs and the picture that the page names."""
    folder = tmp_path_factory.mktemp("docs")
    lines = ["It was the best of times, it was the worst of times.\n"] * 60
    (folder / "book.txt").write_text("".join(line[row % 9 :] for row, line in enumerate(lines)))
    reviews = [
        f"{'a great' if row % 2 else 'an awful'} film {row % 7},{row % 2}" for row in range(90)
    ]
    (folder / "reviews.csv").write_text("\n".join(["text,label", *reviews]))
    paths = {"mnist": digit_files, "book": folder / "book.txt", "reviews": folder / "reviews.csv"}
    for name, (recipe, changed) in RUNS.items():
        path = [f"data.path={paths[name]}"] if name in paths else []
        run = Run.create(Recipe.load(recipe, [*changed, *TINY, *path]), folder / "runs" / name)
        run.train(evaluate=False)
    save_png(picture_of(run.open_data().reference.items[0]), folder / "digit.png")
    return folder


def test_only_known_blocks_and_every_view() -> None:
    assert {kind for kind, _ in BLOCKS} == {"bash", "python"}
    assert all(command.startswith("noiseloom explain runs/") for command in COMMANDS)
    told = re.findall(r"^### (\S+)$", PAGE, re.MULTILINE)
    assert sorted(told) == words(VIEWS)
    assert {shlex.split(command)[3] for command in COMMANDS[1:]} == set(told)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    _, _, *rest = shlex.split(command)
    quick = QUICK.get(rest[1], []) if len(rest) > 1 else []
    assert cli.main(["explain", *rest, *quick]) == 0


@pytest.mark.parametrize("number", range(sum(kind == "python" for kind, _ in BLOCKS)))
def test_the_python_runs(number: int, folder: Path) -> None:
    code = [text for kind, text in BLOCKS if kind == "python"][number]
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_table_of_what_fits_is_true(folder: Path) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.split("## Which view fits which run")[1].split("##")[0].splitlines()
        if line.startswith("|")
    ]
    heads, views = rows[0], {row[0].strip("`"): row for row in rows[2:]}
    assert sorted(views) == words(VIEWS)
    for head, name in COLUMNS.items():
        task, _ = Run.open(folder / "runs" / name).trained_task()
        cells = {view: row[heads.index(head)] for view, row in views.items()}
        other = {"series"} if name == "which" else set()  # of the same column, another run
        assert fitting(task) == sorted(
            view for view, cell in cells.items() if cell and cell not in other
        )
