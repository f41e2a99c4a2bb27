"""What two processes on two cores are worth against one process on one core.

    python benchmarks/ranks.py mnist data.path=FOLDER [KEY=VALUE ...]

Trains a recipe in one process of one thread and in two of one thread each, in turn, so that a busy
machine is busy for both, and prints JSON: items a second in each round, their medians and ratio;
and the processor seconds a step takes in each process, which tell the work done twice from the
waiting (and from other programs: `load` is the machine's before each round). The first steps of
every round are not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.environment import choose_device
from noiseloom.runs.trainer import measure_statistics
from noiseloom.training.distributed import gathered, is_first, parting
from noiseloom.training.loop import Training
from noiseloom.training.precision import settle

UNCOUNTED = 8  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description="What two processes are worth against one.")
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--steps", type=int, default=60, help="counted steps a round")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--as-a-process", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.as_a_process:
        with parting():
            measured = measure(Recipe.load(given.recipe, given.overrides), given.steps)
        if is_first():
            print(json.dumps(measured))
        return
    recipe = Recipe.load(given.recipe, given.overrides)
    precision = settle(recipe.training.precision, choose_device(recipe.training.device))
    own = [given.recipe, *given.overrides, f"training.precision={precision}"]
    own += ["--as-a-process", "--steps", str(given.steps)]
    rounds = []
    for _ in range(given.rounds):
        load = round(os.getloadavg()[0], 2)
        one, many = run(own, 1), run(own, given.processes)
        rounds.append({"load": load, "one": one, "many": many})
        print(json.dumps(rounds[-1]), file=sys.stderr)
    print(json.dumps(summary(recipe.name, precision, given.processes, rounds), indent=1))


def run(own: list[str], processes: int) -> dict[str, Any]:
    """What `processes` processes of one thread each measure."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    words = [*(launcher if processes > 1 else []), str(Path(__file__).resolve()), *own]
    command = [sys.executable, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    measured: dict[str, Any] = json.loads(answer.stdout)
    return measured


def measure(recipe: Recipe, steps: int) -> dict[str, Any]:
    """Items a second over `steps` steps of all processes together, and what a step costs each."""
    data = recipe.data.open(lambda what, done, total: None)
    task = build_task(recipe, data.form, measure_statistics(data))
    config = replace(recipe.training, steps=1_000_000, max_minutes=None)
    precision = settle(config.precision, choose_device(config.device))
    training = Training(config, task, data.train, precision, total_steps=1_000_000)
    for _ in range(UNCOUNTED):
        training.advance()
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(steps):
        training.advance()
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    return {
        "items_per_second": round(steps * config.batch_size / seconds, 1),
        "milliseconds_a_step": round(1e3 * seconds / steps, 2),
        "processor_milliseconds_a_step": gathered(round(1e3 * worked / steps, 2)),
    }


def summary(
    name: str, precision: str, processes: int, rounds: list[dict[str, Any]]
) -> dict[str, object]:
    """Medians over the rounds, and their ratios."""
    ratios = [
        round(one["many"]["items_per_second"] / one["one"]["items_per_second"], 3) for one in rounds
    ]
    rates = {
        who: statistics.median(one[who]["items_per_second"] for one in rounds)
        for who in ("one", "many")
    }
    work = {
        who: statistics.median(max(one[who]["processor_milliseconds_a_step"]) for one in rounds)
        for who in ("one", "many")
    }
    return {
        "recipe": name,
        "precision": precision,
        "processes": processes,
        "items_per_second": rates,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "processor_milliseconds_a_step": work,
        "ratio_of_work": round(work["one"] / work["many"], 3),
        "load": [one["load"] for one in rounds],
    }


if __name__ == "__main__":
    main()
