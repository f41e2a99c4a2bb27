"""Every command and every Python block of the pages on text is run, one after the other."""

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from noiseloom import cli

DOCS = Path(__file__).resolve().parents[1] / "docs" / "text"
PAGES = ("classify.md", "masked-diffusion.md")
SMALL = ("network.width=16", "network.depth=1", "network.heads=2", "data.vocabulary=300")
QUICK = {"train": [*SMALL, "training.steps=3", "training.batch_size=8", "--no-evaluate"]}


def blocks(page: str) -> list[tuple[str, str]]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the pages name."""
    reviews = [
        (f"{('a fine', 'an awful')[row % 2]} film, said reader {row} of {row % 13}", row % 2)
        for row in range(120)
    ]
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("review", "label"), *reviews])
    lines = (
        f"ROMEO: {row} times {row * row} is to be, or not to be, To {row}.\n" for row in range(300)
    )
    (tmp_path / "input.txt").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, folder: Path) -> None:
    for kind, text in blocks(page):
        if kind == "python":
            done = subprocess.run(
                [sys.executable, "-c", text],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            continue
        assert kind == "bash"
        for line in filter(None, text.splitlines()):
            words = shlex.split(line)
            assert words[0] == "noiseloom", line
            assert cli.main([*words[1:], *QUICK.get(words[1], ())]) == 0, line
