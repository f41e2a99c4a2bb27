"""Every block of the README is run, and its map of files is true."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseloom import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

# Training is cut short; everything else of a command runs as it stands.
TWO_STEPS = ["training.steps=2", "training.batch_size=4"]
SHORT = [*TWO_STEPS, "network.width=16", "network.depth=1"]
IMAGES = ["network.heads=2", "evaluation.feature_images=600", "evaluation.num=60"]
SMALL = {
    "toy-2d": SHORT,
    "digits-classifier": [*TWO_STEPS, "network.width=4"],
    "shakespeare": [*SHORT, "network.heads=2", "network.ngrams=[50]"],
    "classify-csv": [*SHORT, "network.heads=2"],
}
BUDGET = re.compile(r"training\.(max_minutes|steps)=[\d.]+")
SCRIPTS = {"./scripts/demo"}  # run from a clean clone by whoever releases: it takes minutes
ENVIRONMENT = {"source .venv/bin/activate"}  # the tests already run in it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a book and reviews, in which the README's commands run in turn."""
    folder = tmp_path_factory.mktemp("readme")
    random = np.random.default_rng(0)
    for name, low in (("cats", 0), ("dogs", 120)):
        (folder / "photos" / name).mkdir(parents=True)
        for index in range(60):
            pixels = random.integers(low, low + 120, (40, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{index}.png")
    words = "It was the best of times, it was the worst of times.\n"
    (folder / "book.txt").write_text("".join(words[row % 7 :] for row in range(120)))
    reviews = [
        f"a film that {row % 9} of us {'love' if row % 2 else 'left'},{row % 2}"
        for row in range(90)
    ]
    (folder / "reviews.csv").write_text("\n".join(["text,label", *reviews]))
    return folder


def commands() -> list[str]:
    lines = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def shortened(command: str) -> list[str]:
    """The words of a command, with training cut to two steps."""
    words = [word for word in shlex.split(command) if not BUDGET.match(word)]
    if words[1] == "train":
        return [*words[:3], *SMALL.get(words[2], [*SHORT, *IMAGES]), *words[3:]]
    return words


def test_all_blocks_are_of_a_known_kind() -> None:
    assert {kind for kind, _ in BLOCKS} == {"bash", "python", ""}
    for command in commands():
        known = command.startswith("noiseloom ") or command in SCRIPTS | ENVIRONMENT
        assert known, f"no test runs {command!r}"
        if command in SCRIPTS:
            assert os.access(ROOT / command, os.X_OK)


def test_every_command_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for command in commands():
        if not command.startswith("noiseloom "):
            continue
        _, *words = shortened(command)
        assert cli.main(words) == 0, f"{shlex.join(words)}\n{capsys.readouterr().err}"
    for name in ("sheet.png", "way.gif", "samples.npz", "runs/photos/report.html"):
        assert (folder / name).is_file(), name


def test_python_blocks_run(folder: Path) -> None:
    (block,) = (text for kind, text in BLOCKS if kind == "python")
    quick = ", ".join(f'"{setting}"' for setting in [*SHORT, *IMAGES])
    code = block.replace('"training.max_minutes=1"', quick)
    assert code != block
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (folder / "digits.png").is_file()


def test_the_map_of_files_is_true() -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "")
    mentioned = set()
    for line in text.splitlines():
        inside = line.startswith("  ")
        names = re.findall(r"[\w./-]+(?:/|\.py|\.md)(?=\s|$)", line.strip().split("  ")[0] + " ")
        if line.strip().startswith("errors.py"):
            names = line.split()
        for name in names:
            path = (ROOT / "src/noiseloom" if inside else ROOT) / name
            assert path.exists(), f"{path} is on the map but not there"
            mentioned.add(path.name)
    rooms = {
        path.name
        for path in (ROOT / "src/noiseloom").iterdir()
        if (path.is_dir() or path.suffix == ".py") and not path.name.startswith("__")
    }
    assert rooms <= mentioned, f"not on the map: {rooms - mentioned}"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
