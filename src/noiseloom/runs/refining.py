"""Finding the run that refines another's samples."""

from pathlib import Path

from noiseloom.config import RunReference
from noiseloom.errors import InputError
from noiseloom.runs.references import open_beside
from noiseloom.runs.run import OnEvent, Run, ignore
from noiseloom.tasks import Draws, Refines
from noiseloom.training.loop import Device


def refined_by(
    refiner: str | Path | None,
    run: Run,
    task: Draws,
    *,
    device: Device | None = None,
    on_event: OnEvent = ignore,
) -> Draws:
    """`task`, which is `run`'s, with its samples refined by the run `refiner`, if any.

    Raises InputError where that refines none, or was made for another base.
    """
    if refiner is None:
        return task
    other = open_beside("--refine", RunReference(run=str(refiner)), device, on_event)
    if not isinstance(other, Refines):
        raise InputError(
            f"--refine is {refiner}, which refines no samples: it was trained for another task. "
            f"Train a refiner with: noiseloom train refine-mnist task.base.run={run.folder}"
        )
    try:
        return other.refined(task)
    except ValueError as error:
        raise InputError(f"The refiner {refiner} does not fit {run.folder}: {error}") from error
