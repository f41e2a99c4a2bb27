"""Step and sampling times of every contestant on this processor, taken in turn."""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import judge
import torch

from peers import Contestant, contestant
from peers.folder import write
from peers.training import Precision, Training, autocast, take_turns

WORTH_IT = 1.3  # bfloat16 must be this many times faster to be tried
IN_A_ROW = 3  # of a part, of which the first is not counted: it finds cold caches
DRAWN = 50  # samples at once where a network call is timed


def write_times(given: argparse.Namespace) -> None:
    """Writes times.json, once."""
    path = given.out / "times.json"
    if path.is_file():
        raise SystemExit(f"{path} is there already; remove it to measure anew")
    images = judge.read_digits(given.data, "train").images
    made = {name: contestant(name) for name in given.only}
    write(path, measure(made, images, rounds=given.rounds, minutes=given.minutes))
    print(path.read_text(encoding="utf-8"))


def measure(
    contestants: dict[str, Contestant], images: torch.Tensor, *, rounds: int, minutes: float
) -> dict[str, Any]:
    """Medians of a step and of a network call, and how many steps `minutes` hold."""
    precisions: list[Precision] = ["float32"]
    if _product_seconds(torch.float32) > WORTH_IT * _product_seconds(torch.bfloat16):
        precisions.append("bfloat16")
    parts: dict[tuple[str, str, str], Callable[[], object]] = {}
    sizes = {}
    for name, entrant in contestants.items():
        for precision in precisions[: 1 if entrant.only_float32 else None]:
            training = _training(entrant, images, precision, rounds)
            parts[name, precision, "step"] = training.advance
            parts[name, precision, "call"] = _call(training)
            sizes[name] = sum(weight.numel() for weight in training.network.parameters())
    seconds = _in_turn(parts, rounds)
    found = {}
    for name, entrant in contestants.items():
        steps = {key[1]: took for key, took in seconds.items() if key[0::2] == (name, "step")}
        precision = min(steps, key=lambda which: steps[which])
        call = seconds[name, precision, "call"] / DRAWN
        found[name] = {
            "library": entrant.package,
            "parameters": sizes[name],
            "batch_size": entrant.batch_size,
            "precision": precision,
            "step_seconds": steps[precision],
            "step_seconds_by_precision": steps,
            "steps": int(60 * minutes / steps[precision]),
            "sampling_seconds_1000": {
                sampler: 1000 * calls * call for sampler, calls in entrant.samplers.items()
            },
        }
    return {"machine": _machine(), "minutes": minutes, "rounds": rounds, "contestants": found}


def _training(
    entrant: Contestant, images: torch.Tensor, precision: Precision, rounds: int
) -> Training:
    return Training(
        entrant,
        entrant.rates[0],
        images,
        take_turns(len(images)),
        steps=IN_A_ROW * rounds,
        seed=0,
        precision=precision,
    )


def _call(training: Training) -> Callable[[], object]:
    """The network once, without a gradient."""
    images, labels = training.images[:DRAWN], training.labels[:DRAWN]

    @torch.no_grad()
    def call() -> None:
        with autocast(training.precision):
            training.contestant.loss(training.network, images, labels)

    return call


def _in_turn(
    parts: dict[tuple[str, str, str], Callable[[], object]], rounds: int
) -> dict[tuple[str, str, str], float]:
    times: dict[tuple[str, str, str], list[float]] = {key: [] for key in parts}
    for _ in range(rounds):
        for key, part in parts.items():
            for turn in range(IN_A_ROW):
                began = time.perf_counter()
                part()
                if turn:
                    times[key].append(time.perf_counter() - began)
    return {key: statistics.median(seen) for key, seen in times.items()}


def _product_seconds(dtype: torch.dtype) -> float:
    matrix = torch.ones(256, 256, dtype=dtype)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - began)
    return min(times)


def _machine() -> dict[str, Any]:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
