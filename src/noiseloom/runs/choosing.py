"""Which of a run's checkpoints is used: the newest, or the best where training went too far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseloom.errors import InputError
from noiseloom.training.checkpoints import Checkpoint, DamagedCheckpoint
from noiseloom.training.health import assess
from noiseloom.training.loop import Note
from noiseloom.training.tracking import read_metrics

if TYPE_CHECKING:
    from noiseloom.runs.run import OnEvent, Run

LATEST, BEST = "latest", "best"


def choose_checkpoint(run: Run, wanted: str | int | None, on_event: OnEvent) -> Checkpoint:
    """The checkpoint that `wanted` names: "latest", "best" (lowest held-out loss), or a step.

    None is the newest; of a run that over-fits the best, and that is said. Raises InputError where
    there is none, MachineError where the one that is named is damaged.
    """
    if wanted is None:
        found = _before_over_fitting(run, on_event) or run.newest_checkpoint(on_event)
    elif str(wanted) == LATEST:
        found = run.newest_checkpoint(on_event)
    else:
        step = run.checkpoints.best() if str(wanted) == BEST else _step(run, wanted)
        found = None if step is None else run.checkpoints.load(step)
    if found is None:
        raise InputError(
            f"{run.folder} has no usable checkpoint yet: noiseloom resume {run.folder}"
        )
    return found


def _before_over_fitting(run: Run, on_event: OnEvent) -> Checkpoint | None:
    """The best checkpoint of a run that over-fits, where it is not the newest."""
    steps, best = run.checkpoints.steps(), run.checkpoints.best()
    if best is None or best == steps[-1]:
        return None
    if assess(read_metrics(run.folder / "metrics.jsonl")).word != "over-fitting":
        return None
    try:
        found = run.checkpoints.load(best)
    except DamagedCheckpoint as damage:
        on_event(Note(f"{damage} It was the best; the newest is used."))
        return None
    on_event(
        Note(
            f"The run over-fits, so its best checkpoint is used, that of step {best:,} of "
            f"{steps[-1]:,}. The newest: --checkpoint latest"
        )
    )
    return found


def _step(run: Run, wanted: str | int) -> int:
    steps = run.checkpoints.steps()
    if str(wanted).isdecimal() and int(wanted) in steps:
        return int(wanted)
    kept = ", ".join(map(str, steps)) or "none yet"
    raise InputError(
        f"--checkpoint is {wanted}; allowed are {BEST}, {LATEST} and the steps that {run.folder} "
        f"has kept: {kept}"
    )
