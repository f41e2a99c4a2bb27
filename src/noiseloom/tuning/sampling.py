"""Tuning how a run is sampled: found on one half of the held-out items, reported on the other.

The best way is written into the run (`sampler.json`) and used from then on. What is reported was
seen neither by the search nor by the choice at its end: other noise, other held-out items.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.config import to_mapping
from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.schedules import Schedule
from noiseloom.errors import InputError
from noiseloom.evaluate.report import write_report
from noiseloom.evaluate.rulers import Half, Ruler
from noiseloom.runs.drawing import draw, prompts_of
from noiseloom.runs.judging import shown
from noiseloom.runs.recipe import Recipe
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.runs.tuned import FILE
from noiseloom.seeds import generator
from noiseloom.tasks import Request, Tunable
from noiseloom.training.loop import Device, Working
from noiseloom.tuning.passes import Passes
from noiseloom.tuning.sampler_search import Trial, Way, check_search, search

FINALISTS = 3
REPORTS = 2  # sets of samples behind each reported figure
YARDSTICK_STEPS = 50  # of ddim, with which what was found is compared


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
    start = Way(task.config.sampler, task.config.guidance if is_guided(task) else None)
    schedule = task.config.schedule
    try:
        check_search(start, schedule, budget=budget, trials=trials)
    except ValueError as error:
        raise InputError(str(error)) from error
    bench = _Bench(run, task, num, on_event)
    found: list[Trial] = []
    chance = generator(seed, "tune sampler")
    for trial in search(
        start,
        schedule,
        lambda way: bench.measure(way, "first", seed),
        budget=budget,
        trials=trials,
        generator=chance,
    ):
        found.append(trial)
        on_event(Working("Trying ways to sample", len(found), trials))
    winner = bench.choose(found, seed + 1)
    yardstick = _yardstick(schedule)
    compared = {
        "tuned": winner,
        "recipe": start,
        f"ddim, {yardstick.steps} steps": replace(start, sampling=yardstick),
    }
    result = {
        "task": _written(run.recipe, winner),
        "budget": budget,
        "metric": bench.ruler("second").name,
        "floor": bench.ruler("second").floor,
        "report": bench.compare(compared, [seed + 2 + place for place in range(REPORTS)]),
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


def is_guided(task: Tunable) -> bool:
    """Whether guidance changes its samples: where it knows classes or captions, or has a guide."""
    is_asked = bool(task.form.class_names) or prompts_of(task) is not None
    return is_asked or getattr(task, "guide", None) is not None


def _yardstick(schedule: Schedule) -> Sampling:
    """50 steps of ddim, or as many as the schedule has."""
    most = schedule.most_moves
    steps = YARDSTICK_STEPS if most is None else min(YARDSTICK_STEPS, most)
    return Sampling(name="ddim", steps=steps)


def _written(recipe: Recipe, way: Way) -> dict[str, Any]:
    """What a recipe's `task` says of `way`."""
    before = to_mapping(recipe.task)
    after = to_mapping(recipe.task.sampled(way.sampling, way.guidance or recipe.task.guidance))
    always = {"sampler", "guidance"} if way.guidance else {"sampler"}
    return {key: value for key, value in after.items() if key in always or value != before[key]}


class _Bench:
    """Draws samples by a way and measures them."""

    def __init__(self, run: Run, task: Tunable, num: int | None, on_event: OnEvent) -> None:
        self.task = task
        self.config = run.recipe.evaluation
        self.num = self.config.num if num is None else num
        self.dataset: Dataset = run.open_data(on_event).alike()
        self.labels = self.config.labels(self.dataset, self.num)
        self.on_event = on_event
        self.rulers: dict[Half, Ruler] = {}

    def ruler(self, half: Half) -> Ruler:
        if half not in self.rulers:
            self.rulers[half] = self.config.ruler(
                self.dataset,
                self.num,
                half,
                progress=shown(self.on_event),
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

    def compare(self, ways: Mapping[str, Way], seeds: list[int]) -> dict[str, Any]:
        """Each way's figure and cost."""
        report = {}
        for place, (name, way) in enumerate(ways.items()):
            self.on_event(Working("Measuring what was found", place, len(ways)))
            report[name] = self._row(way, seeds)
        self.on_event(Working("Measuring what was found", len(ways), len(ways)))
        return report

    def _row(self, way: Way, seeds: list[int]) -> dict[str, Any]:
        """The figure on the other half of the held-out items, and what it costs."""
        with Passes(self.task) as passes:
            values = [self.measure(way, "second", seed) for seed in seeds]
        return {
            self.ruler("second").name: statistics.mean(values),
            "values": values,
            "calls": way.sampling.calls(self.task.config.schedule),
            "passes": round(passes.items / (len(seeds) * self.num), 2),
            "how": self._sampled(way).describe(Request()),
        }

    def _sampled(self, way: Way) -> Tunable:
        return self.task.sampled(way.sampling, way.guidance or self.task.config.guidance)

    def _items(self, way: Way, seed: int) -> np.ndarray:
        task = self._sampled(way)
        request = Request(known=self.config.known(self.dataset, self.num))
        return draw(task, request, self.labels, num=self.num, seed=seed).items


def in_words(result: dict[str, Any], folder: Path) -> str:
    """What was found, beside the recipe's way and a usual one, as a table."""
    name, rows = result["metric"], result["report"]
    title = name.replace("_", " ")
    lines = [f"{'':<16}  {title}  calls  passes"]
    for who, row in rows.items():
        value = f"{row[name]:>{len(title)}.4g}"
        lines.append(f"{who:<16}  {value}  {row['calls'] or '?':>5}  {row['passes']:>6g}")
    tuned, recipe = rows["tuned"], rows["recipe"]
    how = ", ".join(f"{key} {value}" for key, value in tuned["how"].items())
    return "\n".join(
        [
            *lines,
            f"Real data scores {result['floor']:.4g}. Held-out items and noise that the search did "
            "not see; a pass is an item going through the network once.",
            f"Of the recipe's figure it is {tuned[name] / recipe[name]:.2f} times, at "
            f"{tuned['passes']:g} passes instead of {recipe['passes']:g}.",
            f"The run now samples so: {how}.",
            f"Back to the recipe: --untuned, or remove {folder / FILE}.",
        ]
    )
