"""Settings of recipes, trained side by side on one machine and judged as their recipes judge.

    python benchmarks/settings.py FILE [--jobs 12] [--num 300] [--time] [--out FILE.jsonl]

Each line of FILE is a setting: the recipe, then what is changed of it, as `noiseloom train` takes
it. Small networks keep a GPU busy for a fraction of a step: many trainings beside each other take
little longer than one. Settings should name `training.device` and `training.steps`, so many as the
time they are meant for holds. Data is drawn once for all settings that share it. Each prints a JSON
line as it ends: seconds of training, milliseconds a step, the mean loss of the last steps, and the
figures of `num` samples. Lines that begin with # are left out.

With --time nothing is trained: one after another, each setting's step is timed alone (the median of
30), and its floating-point operations, counted by torch, are told as a share of the card's peak.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any

import torch

from noiseloom.data.dataset import Dataset
from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.drawing import draw
from noiseloom.runs.trainer import measure_statistics
from noiseloom.tasks import Request
from noiseloom.training.loop import Training
from noiseloom.training.precision import settle

LAST = 200  # steps whose mean loss is told
opened: dict[str, Dataset] = {}  # what the trainings share, as they are forked


def main() -> None:
    parser = argparse.ArgumentParser(description="Settings of recipes, trained side by side.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--jobs", type=int, default=12, help="trainings at once")
    parser.add_argument("--num", type=int, default=300, help="samples judged of each")
    parser.add_argument("--time", action="store_true", help="time steps instead of training")
    parser.add_argument("--out", type=Path, help="a file for the lines, too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = [line for line in given.file.read_text().splitlines() if line.strip()]
    settings = [line for line in settings if not line.startswith("#")]
    fork = multiprocessing.get_context("fork")
    with fork.Pool(
        1
    ) as pool:  # to ask begins CUDA, which no fork of the process that asks survives
        has_gpu = pool.apply(torch.cuda.is_available)
    if given.time and not has_gpu:
        sys.exit("benchmarks/settings.py: --time tells shares of a GPU's peak, and there is no GPU")
    data = {str(recipe_of(line).data): line for line in settings}
    with fork.Pool(len(data)) as pool:  # drawn side by side, then found drawn
        pool.map(prepare, data.values())
    for name, line in data.items():
        opened[name] = recipe_of(line).data.open()
    with fork.Pool(1 if given.time else given.jobs, maxtasksperchild=1) as pool:
        work = [(line, given.num, given.time) for line in settings]
        for result in pool.imap_unordered(measured, work, chunksize=1):
            line = json.dumps(result)
            print(line, flush=True)
            if given.out:
                with given.out.open("a") as file:
                    file.write(line + "\n")


def recipe_of(line: str) -> Recipe:
    recipe, *overrides = line.split()
    return Recipe.load(recipe, overrides)


def prepare(line: str) -> None:
    recipe_of(line).data.open()


def measured(work: tuple[str, int, bool]) -> dict[str, Any]:
    """What a setting comes to; what went wrong, where something did."""
    line, num, only_time = work
    try:
        return {"setting": line, **(timed(line) if only_time else trained(line, num))}
    except Exception:  # the others go on
        return {"setting": line, "error": traceback.format_exc(limit=-3)}


def training_of(line: str) -> tuple[Recipe, Dataset, Training]:
    recipe = recipe_of(line)
    data = opened[str(recipe.data)]
    task = build_task(recipe, data.form, measure_statistics(data))
    device = next(task.model.parameters()).device
    precision = settle(recipe.training.precision, device)
    steps = recipe.training.steps or 1_000
    return recipe, data, Training(recipe.training, task, data.train, precision, steps)


def trained(line: str, num: int) -> dict[str, Any]:
    """Train as the setting says, draw `num` samples and judge them."""
    recipe, data, training = training_of(line)
    losses: deque[float] = deque(maxlen=LAST)
    began = time.perf_counter()
    for progress in training.run():
        losses.append(progress.loss)
    seconds = time.perf_counter() - began
    judge = recipe.evaluation
    request = Request(known=judge.known(data, num))
    with training.averaged():
        samples = draw(training.task, request, judge.labels(data, num), num=num, seed=0)
    found = judge.measure(data, samples.items, samples.labels, seed=0, protocol={})
    return {
        "steps": training.step,
        "seconds": round(seconds, 1),
        "step_ms": round(1e3 * seconds / training.step, 1),
        "loss": round(statistics.mean(losses), 5),
        "metrics": {name: round(value, 4) for name, value in found["metrics"].items()},
    }


def timed(line: str) -> dict[str, Any]:
    """Time one step alone, and count what it computes."""
    from gpu import DATASHEET_TERAFLOPS, counted_teraflop, in_turn

    torch.set_num_threads(os.cpu_count() or 1)
    _, _, training = training_of(line)
    step = in_turn({"step": training.advance}, rounds=30, warm=8)["step"]
    teraflop = counted_teraflop(training)
    card = torch.cuda.get_device_name()
    peak = next((v for name, v in DATASHEET_TERAFLOPS.items() if name in card), None)
    return {
        "gpu": card,
        "parameters": sum(p.numel() for p in training.task.model.parameters()),
        "step_ms": round(1e3 * step, 2),
        "teraflop_a_step": round(teraflop, 3),
        "share_of_peak": peak and round(teraflop / step / peak, 3),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
