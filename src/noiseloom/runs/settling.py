"""What is settled once, at a run's start, and recorded: a resume must not decide it anew."""

import gc
import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import MachineError, is_out_of_memory
from noiseloom.runs.environment import choose_device, describe_environment, differences
from noiseloom.runs.keeping import Keeper
from noiseloom.runs.preparing import task_to_train
from noiseloom.runs.run import OnEvent, Run
from noiseloom.tasks import Task
from noiseloom.tasks.readers import caption_states
from noiseloom.training.checkpoints import disk_errors
from noiseloom.training.distributed import from_first, is_first, size
from noiseloom.training.loop import Note, Training, TrainingConfig
from noiseloom.training.precision import settle

MEASURE_SHARE = 0.04  # of a time budget goes into measuring the step time
MARGIN = 0.98  # of what is left is planned for: no machine is as quick all the time
CHECKPOINTS_PER_RUN = 10
PREVIEWS_PER_RUN = 3  # and one at the end
KEEPING_SHARE = 0.08  # of a time budget may go into checkpoints, and as much into previews
FEWEST_CHECKPOINTS = 3


@dataclass(frozen=True)
class Settled:
    """The arithmetic, and the number of steps; `step_seconds` where a time budget was measured.

    `accumulate` is how many micro-batches a step is made of: the recipe's, or more where that does
    not fit into memory (None in runs older than this). Another number of them would sum in another
    order, so a resume keeps it. `checkpoints` and `previews` are how many there are where the
    recipe does not say: fewer where they would take much of a time budget.
    """

    precision: Literal["float32", "bfloat16"]
    total_steps: int
    step_seconds: float | None = None
    accumulate: int | None = None
    checkpoints: int = CHECKPOINTS_PER_RUN
    previews: int = PREVIEWS_PER_RUN

    def apply(self, config: TrainingConfig) -> TrainingConfig:
        """The recipe's `config` with what was settled of it."""
        total = self.total_steps
        return replace(
            config,
            accumulate=self.accumulate or config.accumulate,
            checkpoint_every=config.checkpoint_every or math.ceil(total / self.checkpoints),
            sample_every=config.sample_every or math.ceil(total / (self.previews + 1)),
        )


def settle_once(
    run: Run,
    dataset: Dataset,
    statistics: Statistics,
    others: Mapping[str, Task],
    on_event: OnEvent,
) -> Settled:
    """What environment.json has recorded, or what is measured and recorded now.

    Several processes measure together, and the first decides.
    """
    config = run.recipe.training
    environment = from_first(
        lambda: run.read_json("environment.json") or describe_environment(config)
    )
    if "settled" in environment:
        if changed := differences(environment, describe_environment(config)):
            on_event(
                Note(f"This run began elsewhere ({'; '.join(changed)}); last bits may differ.")
            )
        return Settled(**environment["settled"])
    began = time.perf_counter()
    precision = from_first(lambda: settle(config.precision, choose_device(config.device)))
    trial, task = fitting_trial(run, dataset, statistics, others, precision, on_event)
    if config.max_minutes is None:
        assert config.steps is not None  # TrainingConfig sees to it
        settled = Settled(precision, config.steps)
    else:
        on_event(Note("Measuring how many steps fit into the time."))
        settled = _measure(run, trial, task, dataset, began, on_event)
    settled = replace(settled, accumulate=trial.config.accumulate)
    if (states := caption_states(task.model)) is not None:
        environment = {**environment, "reader": states.text_model.describe()}
    together = {**environment, "settled": asdict(settled)}
    from_first(lambda: run.write_json("environment.json", together))
    return settled


def fitting_trial(
    run: Run,
    dataset: Dataset,
    statistics: Statistics,
    others: Mapping[str, Task],
    precision: Literal["float32", "bfloat16"],
    on_event: OnEvent,
) -> tuple[Training, Task]:
    """A training to try steps on, in as many micro-batches as fit into memory, and its task.

    Several processes keep the recipe's number of them: one that fails alone would leave the others
    waiting. Raises MachineError where not even one item at a time fits.
    """
    config = run.recipe.training
    for accumulate in finer(config.batch_size, config.accumulate):
        task = task_to_train(run, dataset, statistics, others, on_event)
        finer_config = replace(config, accumulate=accumulate)
        trial = Training(finer_config, task, dataset.train, precision, total_steps=1_000_000)
        if size() > 1 or _fits(trial):
            if accumulate != config.accumulate:
                on_event(Note(_say_finer(config, accumulate)))
            return trial, task
        del task, trial
        gc.collect()  # what a failed step was made of is in cycles
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise MachineError(
        f"Memory runs out even with one item at a time (batch_size {config.batch_size} in as many "
        "micro-batches). Make the network or the items smaller, or close other programs"
    )


def finer(batch_size: int, accumulate: int) -> Iterator[int]:
    """`accumulate`, then at least twice as many micro-batches each time, of equal size."""
    yield accumulate
    while accumulate < batch_size:
        accumulate = next(
            n for n in range(min(2 * accumulate, batch_size), batch_size + 1) if batch_size % n == 0
        )
        yield accumulate


def _fits(trial: Training) -> bool:
    """Whether two steps can be taken: in the second the optimiser's state is there, too."""
    try:
        trial.advance()
        trial.advance()
    except (MemoryError, RuntimeError) as error:  # CUDA's is a RuntimeError
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _say_finer(config: TrainingConfig, accumulate: int) -> str:
    micro = config.batch_size // accumulate
    return (
        f"A step of {config.batch_size // config.accumulate} items at a time does not fit into "
        f"memory; {micro} at a time do. The batch stays {config.batch_size}: it is taken in "
        f"{accumulate} parts (training.accumulate={accumulate}), more slowly."
    )


def _measure(
    run: Run, trial: Training, task: Task, dataset: Dataset, began: float, on_event: OnEvent
) -> Settled:
    """Time steps, checkpoints and previews on a training that is then thrown away."""
    config = trial.config
    assert config.max_minutes is not None
    budget = 60 * config.max_minutes
    times: list[float] = []
    while from_first(lambda: not _are_enough(times, budget)):
        times.append(_seconds(trial.advance))
    settled_times = times[len(times) // 3 :]  # the first steps are slow
    # where items differ the time of a step does too, and not by accident
    varies = dataset.train.lengths is not None or bool(dataset.train.places)
    step = statistics.fmean(settled_times) if varies else statistics.median(settled_times)
    save, preview = _keeping_seconds(run, trial, task, dataset)
    left = MARGIN * budget - (time.perf_counter() - began)
    checkpoints = min(CHECKPOINTS_PER_RUN, int(KEEPING_SHARE * budget / save))
    checkpoints = max(FEWEST_CHECKPOINTS, checkpoints)
    previews = min(PREVIEWS_PER_RUN, int(KEEPING_SHARE * budget / max(preview, 1e-6)))
    for cost, every, number in (
        (save, config.checkpoint_every, checkpoints),
        (preview, config.sample_every, previews),
    ):
        left -= number * cost if every is None else 0
        step += cost / every if every is not None else 0
    if left < step:
        on_event(
            Note(
                f"training.max_minutes={config.max_minutes:g} leaves time for one step: to measure "
                f"took {time.perf_counter() - began:.0f} s, a checkpoint takes {save:.1f} s. Give "
                "it more minutes."
            )
        )
    return from_first(
        lambda: Settled(
            trial.precision,
            max(1, int(left / step)),
            step,
            checkpoints=checkpoints,
            previews=previews,
        )
    )


def _are_enough(times: list[float], budget: float) -> bool:
    """Whether the steps timed so far tell the step time well enough for a `budget` in seconds."""
    least = len(times) >= 8 or (len(times) >= 3 and sum(times) >= 0.1 * budget)
    return least and sum(times) >= MEASURE_SHARE * budget


def _keeping_seconds(
    run: Run, trial: Training, task: Task, dataset: Dataset
) -> tuple[float, float]:
    """How long a checkpoint and a preview take, made in a folder that is then removed."""
    aside = run.folder / ".measuring"
    from_first(lambda: _make_anew(aside))
    try:
        keeper = Keeper(aside, trial, task, dataset.reference, {})
        return _seconds(keeper.save), _seconds(keeper.preview)
    finally:
        if is_first():
            shutil.rmtree(aside, ignore_errors=True)


def _make_anew(aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)  # of a run killed while measuring
    with disk_errors("A trial checkpoint", aside.parent):
        aside.mkdir()


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
