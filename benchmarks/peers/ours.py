"""Noiseloom's own side of the comparison, through its command."""

import argparse
import subprocess
import time
from typing import Any

from peers.folder import read, write

GUIDANCES = {"recipe": [], "off": ["--guidance", "1"]}
SEED = "2"  # the one that counts for the peers, too


def train_ours(given: argparse.Namespace) -> None:
    """Writes ours.json and ours/<minutes>-<guidance>.npz."""
    path = given.out / "ours.json"
    known = read(path)
    for minutes in given.minutes:
        if f"{minutes:g}" not in known:
            known[f"{minutes:g}"] = _train(minutes, given)
            write(path, known)


def _train(minutes: float, given: argparse.Namespace) -> dict[str, Any]:
    """What a run of `minutes` took; SystemExit where its folder is of a run that was cut short."""
    folder = given.out / "ours" / f"{minutes:g}"
    if folder.exists():
        raise SystemExit(f"{folder} is of a run that was cut short; remove it and start again")
    began = time.perf_counter()
    settings = [f"data.path={given.data.resolve()}", f"training.max_minutes={minutes}"]
    _noiseloom(given, "train", "mnist", *settings, "--no-evaluate", "--out", str(folder))
    command_seconds = time.perf_counter() - began
    sampling_seconds = {}
    for name, words in GUIDANCES.items():
        out = given.out / "ours" / f"{minutes:g}-{name}.npz"
        began = time.perf_counter()
        asked = ["--num", str(given.num), "--seed", SEED, "--out", str(out), *words]
        _noiseloom(given, "sample", str(folder), *asked)
        sampling_seconds[name] = time.perf_counter() - began
    settled = read(folder / "environment.json")["settled"]
    return {
        "minutes": minutes,
        "steps": settled["total_steps"],
        "step_seconds": settled["step_seconds"],
        "precision": settled["precision"],
        "command_seconds": command_seconds,
        "sampling_seconds_1000": {
            name: 1000 / given.num * seconds for name, seconds in sampling_seconds.items()
        },
    }


def _noiseloom(given: argparse.Namespace, *words: str) -> None:
    command = [given.noiseloom, "-m", "noiseloom", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
