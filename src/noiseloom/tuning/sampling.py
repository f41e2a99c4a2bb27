"""Tuning how a run is sampled: found on one half of the held-out items, reported on the other.

The best way is written into the run (`sampler.json`) and used from then on. What is reported was
seen neither by the search nor by the choice at its end: other noise, other held-out items.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from noiseloom.config import to_mapping
from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.sampling import Sampling
from noiseloom.errors import InputError
from noiseloom.evaluate.report import write_report
from noiseloom.evaluate.rulers import Half, Ruler
from noiseloom.runs.drawing import draw
from noiseloom.runs.recipe import Recipe
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.runs.tuned import FILE
from noiseloom.seeds import generator
from noiseloom.tasks import Request, Tunable
from noiseloom.training.loop import Device, Working
from noiseloom.tuning.sampler_search import Trial, Way, search

FINALISTS = 3
REPORTS = 2  # sets of samples behind each reported figure
YARDSTICK = Sampling(name="ddim", steps=50)


def tune_sampler(
    run: Run,
    *,
    budget: int = 8,
    trials: int = 80,
    num: int | None = None,
    seed: int = 0,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Find the best way to sample `run` with at most `budget` network calls, and keep it there.

    Tries about `trials` ways with `num` samples each (the recipe's number if None). Writes
    sampler.json and the report. Raises InputError where the run draws no samples, or its sampler
    has nothing to tune.
    """
    task, step = run.trained_task(device=device, tuned=False, on_event=on_event)
    if not isinstance(task, Tunable):
        raise InputError(
            f"{run.folder} has no sampler to tune: its task draws no samples, or draws them in a "
            "way of its own"
        )
    bench = _Bench(run, task, num, on_event)
    start = Way(task.config.sampler, task.config.guidance)
    found: list[Trial] = []
    try:
        for trial in search(
            start,
            task.config.schedule,
            lambda way: bench.measure(way, "first", seed),
            budget=budget,
            trials=trials,
            generator=generator(seed, "tune sampler"),
        ):
            found.append(trial)
            on_event(Working("Trying ways to sample", len(found), trials))
    except ValueError as error:
        raise InputError(str(error)) from error
    winner = bench.choose(found, seed + 1)
    compared = {
        "tuned": winner,
        "recipe": start,
        "ddim, 50 steps": replace(start, sampling=YARDSTICK),
    }
    report = {}
    for place, (name, way) in enumerate(compared.items()):
        on_event(Working("Measuring what was found", place, len(compared)))
        report[name] = bench.report(way, [seed + 2 + i for i in range(REPORTS)])
    on_event(Working("Measuring what was found", len(compared), len(compared)))
    result = {
        "task": _written(run.recipe, winner),
        "budget": budget,
        "metric": bench.ruler("second").name,
        "floor": bench.ruler("second").floor,
        "report": report,
        "trials": [
            {"stage": trial.stage, "value": trial.value, "sampler": trial.way.sampling.name}
            for trial in found
        ],
        "protocol": {
            "num": bench.num,
            "seed": seed,
            "trained_steps": step,
            "weights": "ema",
            "tuned_on": "held-out items of even number",
            "reported_on": "those of odd number, with other noise",
            "data": bench.dataset.fingerprint,
        },
    }
    run.write_json(FILE, result)
    write_report(run.folder)
    return result


def _written(recipe: Recipe, way: Way) -> dict[str, Any]:
    """What a recipe's `task` says of `way`."""
    task = replace(recipe.task, sampler=way.sampling, guidance=way.guidance)
    written = to_mapping(task)
    return {key: written[key] for key in ("sampler", "guidance")}


class _Bench:
    """Draws samples by a way and measures them."""

    def __init__(self, run: Run, task: Tunable, num: int | None, on_event: OnEvent) -> None:
        self.task = task
        self.config = run.recipe.evaluation
        self.num = self.config.num if num is None else num
        self.dataset: Dataset = run.open_data(on_event)
        self.labels = self.config.labels(self.dataset, self.num)
        self.on_event = on_event
        self.rulers: dict[Half, Ruler] = {}

    def ruler(self, half: Half) -> Ruler:
        if half not in self.rulers:
            self.rulers[half] = self.config.ruler(
                self.dataset,
                self.num,
                half,
                progress=lambda what, share: self.on_event(
                    Working(what.capitalize(), round(100 * share), 100)
                ),
            )
        return self.rulers[half]

    def measure(self, way: Way, half: Half, seed: int) -> float:
        """The figure of samples drawn by `way` from the noise of `seed`."""
        return self.ruler(half).of(self._items(way, seed))

    def choose(self, found: list[Trial], seed: int) -> Way:
        """The best of the finalists, measured again from other noise: luck does not win twice."""
        finalists = sorted(found, key=lambda trial: trial.value)[:FINALISTS]
        again = [self.measure(trial.way, "first", seed) for trial in finalists]
        means = [(trial.value + value) / 2 for trial, value in zip(finalists, again, strict=True)]
        return finalists[means.index(min(means))].way

    def report(self, way: Way, seeds: list[int]) -> dict[str, Any]:
        """The figure on the other half of the held-out items, and what it costs."""
        with _counted(self.task.model) as count:
            values = [self.measure(way, "second", seed) for seed in seeds]
        return {
            self.ruler("second").name: statistics.mean(values),
            "values": values,
            "calls": way.sampling.calls(self.task.config.schedule),
            "items_through_the_network": round(count[0] / (len(seeds) * self.num), 2),
            "how": self.task.sampled(way.sampling, way.guidance).describe(Request()),
        }

    def _items(self, way: Way, seed: int) -> np.ndarray:
        task = self.task.sampled(way.sampling, way.guidance)
        return draw(task, Request(), self.labels, num=self.num, seed=seed).items


def in_words(result: dict[str, Any], folder: Path) -> str:
    """What was found, beside the recipe's way and a usual one, as a table."""
    name = result["metric"]
    lines = [f"{'':<16}  {name.replace('_', ' ')}  calls  items through the network"]
    for title, row in result["report"].items():
        lines.append(
            f"{title:<16}  {row[name]:>{len(name)}.4g}  {row['calls'] or '?':>5}  "
            f"{row['items_through_the_network']:g}"
        )
    how = ", ".join(f"{key} {value}" for key, value in result["report"]["tuned"]["how"].items())
    return "\n".join(
        [
            *lines,
            f"Real data scores {result['floor']:.4g}. Held-out items and noise that the search did "
            "not see.",
            f"The run now samples so ({folder}/{FILE}): {how}.",
        ]
    )


@contextmanager
def _counted(model: nn.Module) -> Iterator[list[int]]:
    """Within it the items that pass through `model` are counted, in the list's one number."""
    count = [0]

    def add(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        count[0] += len(inputs[0])

    handle = model.register_forward_pre_hook(add)
    try:
        yield count
    finally:
        handle.remove()
