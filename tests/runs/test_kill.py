"""The kill campaign: `kill -9` at ten random instants, some inside a save, then byte-identical
files.

scripts/test -m slow tests/runs/test_kill.py
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noiseloom.runs import Recipe, Run

KILLS = 10
OVERRIDES = (
    "network.depth=2",
    "network.width=48",
    "network.heads=2",
    "training.steps=150",
    "training.checkpoint_every=3",  # saving is a large part of the time, so kills fall into it
    "training.sample_every=40",
)
TRAIN = (
    "import sys; from noiseloom.runs import Run;"
    "Run.open(sys.argv[1]).resume(evaluate=False, on_event=lambda e: print(e, flush=True))"
)


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder)], stdout=subprocess.PIPE, text=True
    )


def finish(child: subprocess.Popen[str]) -> int:
    """Read the child to its end, and close its pipe; its exit code."""
    assert child.stdout is not None
    child.stdout.read()
    child.stdout.close()
    return child.wait()


def wait_until_training(child: subprocess.Popen[str]) -> None:
    """Until the first step of this sitting is done."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("Progress"):
            return
    pytest.fail(f"the run ended with {child.wait()} before a step")


def final_files(folder: Path) -> dict[str, bytes]:
    newest = folder / "checkpoints" / (folder / "checkpoints/latest").read_text().strip()
    return {path.name: path.read_bytes() for path in newest.iterdir()}


@pytest.mark.slow
def test_killed_at_ten_random_instants(tmp_path: Path) -> None:
    recipe = Recipe.load("digits", OVERRIDES)
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for folder in (unbroken, broken):
        Run.create(recipe, folder)
    child = start(unbroken)
    began = time.monotonic()
    assert finish(child) == 0
    whole = time.monotonic() - began
    instants = random.Random(0)
    in_a_save = done = 0
    while done < KILLS:
        child = start(broken)
        wait_until_training(child)
        if done < KILLS // 2:
            time.sleep(instants.uniform(0, whole / KILLS / 2))
        else:  # wait for a save to be under way: these kills fall inside it
            deadline = time.monotonic() + 5
            while not list(broken.glob("checkpoints/.writing-*")) and time.monotonic() < deadline:
                time.sleep(0.0005)
        child.kill()
        assert finish(child) == -9, "the run was over before it could be killed: give it more steps"
        in_a_save += bool(list(broken.glob("checkpoints/.writing-*")))
        done += 1
    assert in_a_save, "no kill fell inside a save"
    child = start(broken)
    assert finish(child) == 0
    assert final_files(broken) == final_files(unbroken)
