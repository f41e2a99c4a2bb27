"""What is settled once, at a run's start, and recorded: a resume must not decide it anew."""

import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.runs.environment import choose_device, describe_environment, differences
from noiseloom.runs.keeping import CHECKPOINTS_PER_RUN, PREVIEWS_PER_RUN, Keeper
from noiseloom.runs.run import OnEvent, Run, build_task
from noiseloom.tasks import Task
from noiseloom.training.checkpoints import disk_errors
from noiseloom.training.loop import Note, Training
from noiseloom.training.precision import settle

MEASURE_SHARE = 0.04  # of a time budget goes into measuring the step time
MARGIN = 0.98  # of what is left is planned for: no machine is as quick all the time


@dataclass(frozen=True)
class Settled:
    """The arithmetic, and the number of steps; `step_seconds` where a time budget was measured."""

    precision: Literal["float32", "bfloat16"]
    total_steps: int
    step_seconds: float | None = None


def settle_once(run: Run, dataset: Dataset, statistics: Statistics, on_event: OnEvent) -> Settled:
    """What environment.json has recorded, or what is measured and recorded now."""
    config = run.recipe.training
    environment = run.read_json("environment.json") or describe_environment(config)
    if "settled" in environment:
        if changed := differences(environment, describe_environment(config)):
            on_event(
                Note(f"This run began elsewhere ({'; '.join(changed)}); last bits may differ.")
            )
        return Settled(**environment["settled"])
    began = time.perf_counter()
    precision = settle(config.precision, choose_device(config.device))
    if config.max_minutes is None:
        assert config.steps is not None  # TrainingConfig sees to it
        settled = Settled(precision, config.steps)
    else:
        on_event(Note("Measuring how many steps fit into the time."))
        task = build_task(run.recipe, dataset.form, statistics)
        trial = Training(config, task, dataset.train, precision, total_steps=1_000_000)
        settled = _measure(run, trial, task, dataset, began)
    run.write_json("environment.json", {**environment, "settled": asdict(settled)})
    return settled


def _measure(run: Run, trial: Training, task: Task, dataset: Dataset, began: float) -> Settled:
    """Time steps, checkpoints and previews on a training that is then thrown away."""
    config = trial.config
    assert config.max_minutes is not None
    budget = 60 * config.max_minutes
    times: list[float] = []
    while (
        len(times) < 3
        or (len(times) < 8 and sum(times) < 0.1 * budget)
        or (sum(times) < MEASURE_SHARE * budget)
    ):
        times.append(_seconds(trial.advance))
    step = statistics.median(times[len(times) // 3 :])  # the first steps are slow
    aside = run.folder / ".measuring"
    shutil.rmtree(aside, ignore_errors=True)  # of a run killed while measuring
    with disk_errors("A trial checkpoint", run.folder):
        aside.mkdir()
    try:
        keeper = Keeper(aside, trial, task, dataset.reference, {})
        save, preview = _seconds(keeper.save), _seconds(keeper.preview)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    left = MARGIN * budget - (time.perf_counter() - began)
    for cost, every, number in (
        (save, config.checkpoint_every, CHECKPOINTS_PER_RUN),
        (preview, config.sample_every, PREVIEWS_PER_RUN),
    ):
        left -= number * cost if every is None else 0
        step += cost / every if every is not None else 0
    return Settled(trial.precision, max(1, int(left / step)), step)


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
