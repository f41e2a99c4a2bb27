"""Training a run: opens the data, settles what is settled once, consumes the loop's events."""

import fcntl
import math
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import DataError, InputError
from noiseloom.evaluate.report import write_report
from noiseloom.networks import Chooses
from noiseloom.runs.foretold import compare, in_words
from noiseloom.runs.guiding import WITHOUT, needs_earlier, with_earlier_guide
from noiseloom.runs.judging import evaluate as judge
from noiseloom.runs.keeping import Keeper
from noiseloom.runs.latents import seen_data
from noiseloom.runs.log import logged
from noiseloom.runs.pictures import save_final_pictures
from noiseloom.runs.preparing import task_to_train
from noiseloom.runs.recipe import fingerprint_of
from noiseloom.runs.references import bring_references
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.runs.settling import Settled, settle_once
from noiseloom.tasks import Task
from noiseloom.training.checkpoints import Checkpoint, disk_errors
from noiseloom.training.distributed import (
    first_then_rest,
    from_first,
    gathered,
    is_first,
    parting,
    size,
    summed,
)
from noiseloom.training.health import Watch
from noiseloom.training.loop import Note, Saved, Started, Training, TrainingConfig
from noiseloom.training.tracking import Metrics

STATISTICS_ITEMS = 8192
ONE_PROCESS = (
    "training.sharding=full has no effect: this is one process, which holds the whole model. Start "
    "several with torchrun (docs/scaling.md)."
)


def train(run: Run, *, evaluate: bool, on_event: OnEvent) -> dict[str, Any]:
    """See `Run.train`. Of several processes the first writes, speaks and measures."""
    config = run.recipe.training
    metrics_class(config)  # a missing package is said before anything is done
    with parting(), deterministic(config.deterministic), alone(run, on_event) as tell:
        dataset = first_then_rest(lambda: run.open_data(tell))
        check_same_data(dataset)
        from_first(lambda: describe_data(run, dataset))
        bring_references(run, tell)
        others = run.others(on_event=tell)
        dataset = seen_data(run, dataset, others, tell)
        statistics = measure_statistics(dataset)
        settled = settle_once(run, dataset, statistics, others, tell)
        if config.sharding == "full" and size() == 1:
            tell(Note(ONE_PROCESS))
        summary = train_together(run, dataset, statistics, settled, others, tell)
    if not is_first():
        return summary
    if evaluate:
        with logged(run.folder, on_event) as tell:
            summary["evaluation"] = judge(run, on_event=tell)
    else:
        write_report(run.folder)
    return summary


def train_together(
    run: Run,
    dataset: Dataset,
    statistics: Statistics,
    settled: Settled,
    others: Mapping[str, Task],
    on_event: OnEvent,
) -> dict[str, Any]:
    """Every process's part: all steps, and the final pictures; what came of it."""
    config = settled.apply(run.recipe.training)
    task = task_to_train(run, dataset, statistics, others, on_event)
    training = Training(config, task, dataset.train, settled.precision, settled.total_steps)
    if needs_earlier(task):
        on_event(Note(WITHOUT))
    seconds, memory = follow(run, training, task, dataset, on_event)
    took = {}
    if (prediction := run.recipe.prediction) is not None:
        took = compare(prediction, seconds, memory)
        on_event(Note(in_words(prediction, took)))
    with training.averaged():
        save_final_pictures(
            run.folder / "samples",
            with_earlier_guide(run, task, on_event=on_event) if size() == 1 else task,
            dataset,
            seed=config.seed,
            recipe_text=run.recipe.to_yaml(),
        )
    return {
        "folder": str(run.folder),
        "steps": training.total_steps,
        "seconds": round(seconds, 1),
        "precision": training.precision,
        **({"prediction": took} if took else {}),
    }


def metrics_class(config: TrainingConfig) -> type[Metrics]:
    """What writes the figures down; InputError where a package for it is missing."""
    if not config.tensorboard:
        return Metrics
    from noiseloom.training.tensorboard import TensorBoardMetrics  # an extra, and slow to import

    return TensorBoardMetrics


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Within it, if `wanted`, torch uses only algorithms that repeat to the bit, on a GPU too."""
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else trains this run meanwhile; InputError where somebody does."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder} is being trained by another process; wait for it") from None
        yield


@contextmanager
def alone(run: Run, on_event: OnEvent) -> Iterator[OnEvent]:
    """Within it no other training writes into the run; what is said goes into its log, too."""
    with ExitStack() as stack:
        from_first(lambda: stack.enter_context(locked(run.folder)))
        if not is_first():
            yield ignore
            return
        run.checkpoints.sweep()
        yield stack.enter_context(logged(run.folder, on_event))


def check_same_data(dataset: Dataset) -> None:
    """DataError where the processes that train together see different data."""
    found = gathered(dataset.fingerprint)
    if len(set(found)) > 1:
        listed = ", ".join(f"process {rank}: {one[:12]}" for rank, one in enumerate(found))
        raise DataError(
            f"The processes do not see the same data ({listed}). Give every machine the same "
            "files under the same data.path"
        )


def describe_data(run: Run, dataset: Dataset) -> None:
    """Write data_report.json, once."""
    if not run.read_json("data_report.json"):
        with disk_errors("What the data looks like", run.folder):
            dataset.form.save(run.folder)
        run.write_json("data_report.json", {"form": dataset.form.to_mapping(), **dataset.report})


def measure_statistics(dataset: Dataset) -> Statistics:
    """Mean and spread of the training items, from as many of them, evenly taken, as suffice.

    Of images of several sizes the mean is that of each channel. Of items that are no numbers, 0
    and 1.
    """
    if not dataset.form.is_numeric:
        return Statistics(torch.zeros(()), 1.0)
    train, count = dataset.train, min(STATISTICS_ITEMS, len(dataset.train))
    chosen = np.linspace(0, len(train) - 1, count).round().astype(int)
    total = torch.zeros(dataset.form.mean_shape, dtype=torch.float64)
    squares, number = torch.zeros_like(total), 0
    for alike in train.by_size(chosen):
        for part in np.array_split(chosen[alike], math.ceil(len(alike) / 256)):
            items = dataset.to_model(train.batch(part).items).double()
            total += items.sum(dim=0).sum_to_size(total.shape)
            squares += items.square().sum(dim=0).sum_to_size(total.shape)
            number += items.numel() // total.numel()
    mean = total / number
    variance = (squares / number - mean.square()).mean().clamp(min=1e-12)
    return Statistics(mean.float(), float(variance.sqrt()))


def follow(
    run: Run, training: Training, task: Task, dataset: Dataset, on_event: OnEvent
) -> tuple[float, int]:
    """Go on from the newest checkpoint to the end.

    Answers all the training's seconds so far, and the most memory it took since, bytes.
    """
    recipe = from_first(lambda: fingerprint_of(run.folder / "recipe.yaml"))
    fingerprint = {"recipe": recipe, "total_steps": training.total_steps}
    checkpoint = newest_of_first(run, on_event)
    if checkpoint is not None:
        check_resumable(run, checkpoint, fingerprint)
        training.restore(checkpoint)
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    on_event(Started(training.step, training.total_steps, parameters, training.precision))
    network = run.recipe.network
    if isinstance(network, Chooses) and (said := network.chosen(task.form.item_shape)):
        on_event(Note(said))
    keeper = Keeper(run.folder, training, task, dataset.reference, fingerprint)
    last_save, memory = training.step or None, 0
    log = run.folder / "metrics.jsonl"
    with (
        Interrupts(on_event) as interrupts,
        metrics_class(training.config)(
            log, step=training.step, every=training.config.log_every, silent=not is_first()
        ) as metrics,
    ):
        watch = Watch(log, on_event)
        if training.step == 0:  # what health measures against
            metrics.restore_held_out(0, keeper.held_out_loss())
        if checkpoint is not None:  # what a kill right after the checkpoint may have cost
            metrics.restore_held_out(training.step, checkpoint.state["held_out_loss"])
            if keeper.preview_is_due:
                keeper.preview()
        training.asked_to_stop = lambda: interrupts.wanted  # a signal may reach one process alone
        for progress in training.run():
            metrics.add(progress)
            memory = max(memory, progress.memory_bytes)
            stop = training.is_stopping
            if keeper.snapshot_is_due:  # before a checkpoint, after which a resume would not
                keeper.snapshot()
            if keeper.save_is_due or stop:
                with interrupts.put_off():
                    path, held_out_loss = keeper.save()
                metrics.add_held_out(progress.step, held_out_loss)
                last_save = progress.step
                on_event(Saved(last_save, str(path)))
                watch.look()
                stop = summed(interrupts.wanted)[0] > 0  # or one that came while saving
            on_event(replace(progress, last_save_step=last_save))
            if stop:
                raise KeyboardInterrupt(f"Saved at step {progress.step}.")
            if keeper.preview_is_due:
                keeper.preview()
        return metrics.seconds, memory


def newest_of_first(run: Run, on_event: OnEvent) -> Checkpoint | None:
    """The newest checkpoint that the first process finds; the others get its state alone."""
    found: list[Checkpoint | None] = []

    def look() -> dict[str, Any] | None:
        checkpoint = run.newest_checkpoint(on_event)
        found.append(checkpoint)
        return None if checkpoint is None else checkpoint.state

    state = from_first(look)
    if state is None:
        return None
    return found[0] if found else Checkpoint({}, state)


def check_resumable(run: Run, checkpoint: Checkpoint, fingerprint: dict[str, Any]) -> None:
    """InputError where the recipe or the number of steps is not the checkpoint's."""
    for what, now in fingerprint.items():
        then = checkpoint.state.get(what)
        if then != now:
            raise InputError(
                f"{run.folder}/recipe.yaml or environment.json was changed after training began "
                f"({what} was {then}, is {now}): going on would mix two runs. Restore the file, "
                "or train the changed recipe as a run of its own"
            )


class Interrupts:
    """Ctrl-C and SIGTERM: the first is acted on after the step, the second stops at once.

    While a checkpoint is being written nothing stops: it would throw away what is being saved.
    """

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.wanted = False
        self.is_put_off = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Within it an interrupt is only noted."""
        self.is_put_off = True
        try:
            yield
        finally:
            self.is_put_off = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        passed_on = number == signal.SIGTERM and size() > 1  # torchrun answers Ctrl-C with it
        if self.wanted and not self.is_put_off and not passed_on:
            raise KeyboardInterrupt("Stopped without saving.")
        if not self.wanted:
            self.on_event(Note("Saving, then stopping. Once more stops at once, unsaved."))
        self.wanted = True
