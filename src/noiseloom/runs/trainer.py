"""Training a run: opens the data, settles what is settled once, consumes the loop's events."""

import fcntl
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.errors import InputError
from noiseloom.evaluate.report import write_report
from noiseloom.runs.judging import evaluate as judge
from noiseloom.runs.keeping import Keeper
from noiseloom.runs.pictures import save_final_pictures
from noiseloom.runs.run import OnEvent, Run, build_task
from noiseloom.runs.settling import settle_once
from noiseloom.tasks import Task
from noiseloom.training.loop import Note, Saved, Started, Training
from noiseloom.training.tracking import Metrics

STATISTICS_ITEMS = 8192


def train(run: Run, *, evaluate: bool, on_event: OnEvent) -> dict[str, Any]:
    """See `Run.train`."""
    with locked(run.folder):
        dataset = run.dataset
        describe_data(run, dataset)
        statistics = measure_statistics(dataset)
        settled = settle_once(run, dataset, statistics, on_event)
        task = build_task(run.recipe, dataset.form, statistics)
        training = Training(
            run.recipe.training, task, dataset.train, settled.precision, settled.total_steps
        )
        began = time.perf_counter()
        follow(run, training, task, dataset, on_event)
        seconds = time.perf_counter() - began
        with training.average.applied_to(task.model):
            save_final_pictures(
                run.folder / "samples",
                task,
                dataset,
                seed=run.recipe.training.seed,
                recipe_text=run.recipe.to_yaml(),
            )
    summary = {
        "folder": str(run.folder),
        "steps": training.total_steps,
        "seconds": round(seconds, 1),
        "precision": training.precision,
    }
    if evaluate:
        on_event(Note("Evaluating."))
        summary["evaluation"] = judge(run, on_event=on_event)
    else:
        write_report(run.folder)
    return summary


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else trains this run meanwhile; InputError where somebody does."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder} is being trained by another process; wait for it") from None
        yield


def describe_data(run: Run, dataset: Dataset) -> None:
    """Write data_report.json, once."""
    if not run.read_json("data_report.json"):
        run.write_json("data_report.json", {"form": dataset.form.to_mapping(), **dataset.report})


def measure_statistics(dataset: Dataset) -> Statistics:
    """Mean and spread of the training items, from as many of them, evenly taken, as suffice."""
    step = max(1, len(dataset.train) // STATISTICS_ITEMS)
    items = dataset.to_model(dataset.train.items[::step])
    mean = items.mean(dim=0)
    return Statistics(mean, float((items - mean).square().mean().sqrt()))


def follow(run: Run, training: Training, task: Task, dataset: Dataset, on_event: OnEvent) -> None:
    """Go on from the newest checkpoint to the end: metrics, checkpoints, previews, interrupts."""
    if (checkpoint := run.newest_checkpoint(on_event)) is not None:
        training.restore(checkpoint)
    parameters = sum(parameter.numel() for parameter in training.task.model.parameters())
    on_event(Started(training.step, training.total_steps, parameters, training.precision))
    if training.step == training.total_steps:
        return
    keeper = Keeper(run.folder, training, task, dataset.reference)
    last_save = training.step or None
    log = run.folder / "metrics.jsonl"
    with (
        Interrupts() as interrupts,
        Metrics(log, step=training.step, every=training.config.log_every) as metrics,
    ):
        for progress in training.run():
            metrics.add(progress)
            stop = interrupts.wanted
            if keeper.save_is_due or stop:
                path, held_out_loss = keeper.save()
                metrics.add_held_out(progress.step, held_out_loss)
                last_save = progress.step
                on_event(Saved(last_save, str(path)))
            on_event(replace(progress, last_save_step=last_save))
            if stop:
                raise KeyboardInterrupt(f"Saved at step {progress.step}.")
            if keeper.preview_is_due:
                keeper.preview()


class Interrupts:
    """Ctrl-C and SIGTERM: the first is acted on after the step, the second stops at once."""

    def __enter__(self) -> "Interrupts":
        self.wanted = False
        self.before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
