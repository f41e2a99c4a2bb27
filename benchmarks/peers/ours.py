"""Noiseloom's own side of the comparison, through its command."""

import argparse
import subprocess
import time
from pathlib import Path
from typing import Any

import judge
import torch

from peers.folder import judge_cache, read, read_arrays, write

WAYS = {"recipe": [], "strong": ["--guidance", "2"], "off": ["--guidance", "1"]}
"""How samples are drawn: as the recipe says, with stronger guidance, without."""
CHOICES = ("recipe", "strong")  # the better of them is a run's own best sampler
CHOOSING, COUNTING = 1, 2  # seeds, as the peers' samples have


def train_ours(given: argparse.Namespace) -> None:
    """Writes ours.json and ours/<minutes>-<way>.npz; goes on from what is there."""
    path = given.out / "ours.json"
    known = read(path)
    for minutes in given.minutes:
        run = known.setdefault(f"{minutes:g}", {})
        if "steps" not in run:
            run |= _train(minutes, given)
            write(path, known)
        if "chosen_at" not in run:
            run |= _draw(minutes, given)
            write(path, known)


def _train(minutes: float, given: argparse.Namespace) -> dict[str, Any]:
    """What a run of `minutes` took; SystemExit where its folder is of a run that was cut short."""
    folder = given.out / "ours" / f"{minutes:g}"
    if folder.exists():
        raise SystemExit(f"{folder} is of a run that was cut short; remove it and start again")
    began = time.perf_counter()
    settings = [f"data.path={given.data.resolve()}", f"training.max_minutes={minutes}"]
    _noiseloom(given, "train", "mnist", *settings, "--no-evaluate", "--out", str(folder))
    settled = read(folder / "environment.json")["settled"]
    return {
        "minutes": minutes,
        "steps": settled["total_steps"],
        "step_seconds": settled["step_seconds"],
        "precision": settled["precision"],
        "command_seconds": time.perf_counter() - began,
    }


def _draw(minutes: float, given: argparse.Namespace) -> dict[str, Any]:
    """Draws what counts in every way, and half as much of another seed to choose by."""
    critic = judge.prepare(judge.read_digits(given.data, "train"), judge_cache())
    reference, _ = critic.look(judge.read_digits(given.data, "t10k").images)
    seconds, distances = {}, {}
    for way, words in WAYS.items():
        began = time.perf_counter()
        _sample(minutes, given, way, [*words, "--seed", str(COUNTING)], given.num)
        seconds[way] = 1000 / given.num * (time.perf_counter() - began)
        if way in CHOICES:
            path = _sample(
                minutes,
                given,
                f"{way}-chosen-by",
                [*words, "--seed", str(CHOOSING)],
                given.num // 2,
            )
            images = torch.from_numpy(read_arrays(path)["images"]).permute(0, 3, 1, 2).float() / 255
            distances[way] = judge.frechet(critic.look(images)[0], reference)
    return {"chosen_at": distances, "sampling_seconds_1000": seconds}


def _sample(
    minutes: float, given: argparse.Namespace, name: str, words: list[str], num: int
) -> Path:
    out = given.out / "ours" / f"{minutes:g}-{name}.npz"
    folder = given.out / "ours" / f"{minutes:g}"
    _noiseloom(given, "sample", str(folder), "--num", str(num), "--out", str(out), *words)
    return out


def _noiseloom(given: argparse.Namespace, *words: str) -> None:
    command = [given.noiseloom, "-m", "noiseloom", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
