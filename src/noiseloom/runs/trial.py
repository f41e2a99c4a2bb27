"""What a training would take: a few steps of it, timed, and thrown away."""

import statistics
import time
from dataclasses import dataclass

from noiseloom.data.dataset import Dataset
from noiseloom.runs.building import build_task
from noiseloom.runs.environment import choose_device
from noiseloom.runs.recipe import Recipe
from noiseloom.runs.trainer import measure_statistics
from noiseloom.training.loop import Training, resident_bytes
from noiseloom.training.precision import settle

FEWEST, MOST = 4, 40  # steps timed, after two that are not
SECONDS = 3.0  # for which steps are timed


@dataclass(frozen=True)
class Trial:
    """The median time of a step, the memory of the process with it, and what learns."""

    step_seconds: float
    memory_bytes: int
    parameters: int


def try_steps(recipe: Recipe, dataset: Dataset) -> Trial:
    """A few steps of the recipe's training on data that is open."""
    config = recipe.training
    task = build_task(recipe, dataset.form, measure_statistics(dataset))
    precision = settle(config.precision, choose_device(config.device))
    training = Training(config, task, dataset.train, precision, total_steps=1_000_000)
    memory, times = 0, list[float]()
    while len(times) < 2 + FEWEST or (sum(times[2:]) < SECONDS and len(times) < 2 + MOST):
        began = time.perf_counter()
        training.advance()
        times.append(time.perf_counter() - began)
        memory = max(memory, resident_bytes())
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    return Trial(statistics.median(times[2:]), memory, parameters)
