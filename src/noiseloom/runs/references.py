"""The other runs that a run needs: checked before it begins, copied into it, opened as frozen.

    others/<key>/    recipe.yaml, data_report.json (and tokenizer.json), the checkpoint with one set
                     of weights

A copy, so that the run goes on, samples and moves although the other run trains on or is gone. It
is a run's folder itself, with the others that it needs in turn.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from noiseloom.config.references import RunReference, references
from noiseloom.data.forms import form_from
from noiseloom.errors import InputError
from noiseloom.runs.recipe import Recipe
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Task
from noiseloom.training.checkpoints import (
    Checkpoint,
    CheckpointFolder,
    DamagedCheckpoint,
    disk_errors,
    write_text,
)
from noiseloom.training.distributed import from_first
from noiseloom.training.loop import Device

FOLDER = "others"
COPIED = ("recipe.yaml", "data_report.json")


def check_references(recipe: Recipe) -> None:
    """InputError where a run that `recipe` names is none, or has not the checkpoint asked for."""
    for key, reference in references(recipe).items():
        _find(key, reference)


def bring_references(run: Run, on_event: OnEvent = ignore) -> None:
    """Copy what `run` needs of other runs into its folder, unless it is there.

    Every process calls it, since opening a run is shared; the first writes. Raises InputError where
    one is not there or damaged, MachineError where the copy cannot be made.
    """
    for key, reference in references(run.recipe).items():
        target = run.folder / FOLDER / key
        if from_first(target.is_dir):
            continue
        copy = partial(_copy, key, _find(key, reference), reference, target, on_event)
        from_first(copy)


def open_references(
    run: Run, device: Device | None = None, on_event: OnEvent = ignore
) -> Mapping[str, Task]:
    """The frozen tasks that `run` needs, by the dotted keys of their references in its task.

    Raises InputError where a copy is missing or damaged.
    """
    opened: dict[str, Task] = {}
    for key, reference in references(run.recipe).items():
        folder = run.folder / FOLDER / key
        if not folder.is_dir():
            raise InputError(
                f"{run.folder} has no copy of {reference.run} ({key}), which it needs, under "
                f"{FOLDER}/{key}. Restore that folder, or train the recipe as a new run"
            )
        task, _ = Run.open(folder).trained_task(raw=reference.raw, device=device, on_event=on_event)
        opened[key.removeprefix("task.")] = frozen(task)
    return opened


def open_beside(
    key: str, reference: RunReference, device: Device | None = None, on_event: OnEvent = ignore
) -> Task:
    """The frozen task of another run as it is now, of which no copy is kept: for one use.

    `key` names it in what is raised: InputError where it is not there.
    """
    other = _find(key, reference)
    task, _ = other.trained_task(raw=reference.raw, device=device, on_event=on_event)
    return frozen(task)


def frozen(task: Task) -> Task:
    """`task` with a model that no longer learns."""
    task.model.requires_grad_(False).train(False)
    return task


def _copy(key: str, other: Run, reference: RunReference, target: Path, on_event: OnEvent) -> None:
    """What is needed of `other`, made beside `target` and renamed.

    A run that is guided by an earlier checkpoint of its own needs that one, too.
    """
    from noiseloom.runs.guiding import earlier_guide  # it needs this

    checkpoint = _load(key, other, reference, on_event)
    wanted = [checkpoint]
    if (guide := earlier_guide(other, checkpoint.state["step"])) is not None:
        wanted.insert(0, _load(key, other, replace(reference, checkpoint=guide), on_event))
    group = "model" if reference.raw else "average"
    aside = target.with_name(f".writing-{key}")
    with disk_errors(f"The copy of {other.folder}", target.parent):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name in COPIED:
            write_text(aside / name, (other.folder / name).read_text(encoding="utf-8"))
        form_from(other.read_json("data_report.json")["form"], other.folder).save(aside)
        if (other.folder / FOLDER).is_dir():
            shutil.copytree(other.folder / FOLDER, aside / FOLDER)
        for one in wanted:
            kept = Checkpoint({group: one.groups[group]}, one.state)
            CheckpointFolder(aside / "checkpoints").save(kept, checkpoint.state["step"])
        aside.rename(target)


def _find(key: str, reference: RunReference) -> Run:
    """The run that `reference` names; InputError where it cannot be what is needed."""
    try:
        other = Run.open(reference.run)
    except InputError as error:
        raise InputError(f"{key}.run names another run: {error}") from error
    steps = other.checkpoints.steps()
    if not steps or not (other.folder / "data_report.json").is_file():
        raise InputError(
            f"{key}.run is {reference.run}, which has no checkpoint yet. Train it first: "
            f"noiseloom resume {reference.run}"
        )
    if reference.checkpoint is not None and reference.checkpoint not in steps:
        raise InputError(
            f"{key}.checkpoint is {reference.checkpoint}; {reference.run} has those of the steps "
            f"{', '.join(map(str, steps))}"
        )
    return other


def _load(key: str, other: Run, reference: RunReference, on_event: OnEvent) -> Checkpoint:
    try:
        if reference.checkpoint is not None:
            checkpoint = other.checkpoints.load(reference.checkpoint)
        else:
            checkpoint = other.newest_checkpoint(on_event)
    except DamagedCheckpoint as damage:
        raise InputError(f"{key}: {damage} Name another checkpoint of it.") from damage
    if checkpoint is None:
        raise InputError(f"{key}.run is {other.folder}, which has no usable checkpoint")
    return checkpoint
