"""A run's task ready to be trained: built, and with what it needs besides the data."""

from collections.abc import Mapping

from noiseloom.data.dataset import Dataset
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.runs.building import build_task
from noiseloom.runs.reading_ahead import read_ahead, standardise
from noiseloom.runs.run import OnEvent, Run
from noiseloom.tasks import Prepares, Task
from noiseloom.training.distributed import first_then_rest
from noiseloom.training.loop import Working


def task_to_train(
    run: Run,
    dataset: Dataset,
    statistics: Statistics,
    others: Mapping[str, Task],
    on_event: OnEvent,
) -> Task:
    """The task of `run` on its data; of several processes the first prepares, the rest read."""
    task = build_task(
        run.recipe,
        dataset.form,
        statistics,
        sharding=run.recipe.training.sharding,
        others=others,
    )
    if isinstance(task, Prepares):
        prepares = task
        first_then_rest(
            lambda: prepares.prepare(
                run.folder, lambda what, done, total: on_event(Working(what, done, total))
            )
        )
    read_ahead(task, dataset, on_event)
    standardise(task)
    return task
