"""The captions of a run's data, read by its frozen text model before anything asks for them."""

import torch

from noiseloom.data.dataset import Dataset
from noiseloom.runs.run import OnEvent, ignore
from noiseloom.tasks import Task
from noiseloom.tasks.readers import caption_states, state_embedding
from noiseloom.training.distributed import first_then_rest
from noiseloom.training.loop import Note, Working


def read_ahead(task: Task, dataset: Dataset, on_event: OnEvent = ignore) -> None:
    """Have the captions of `dataset` read for `task`, or find them read; nothing for most tasks.

    Of several processes the first reads. Raises InputError where the model cannot, MachineError
    where what it says cannot be written.
    """
    states = caption_states(task.model)
    if states is None or states.kept is not None:
        return
    device = next(task.model.parameters()).device

    def progress(what: str, done: int, total: int) -> None:
        on_event(Working(what.capitalize(), done, total))

    kept = first_then_rest(lambda: states.keep(dataset, device, progress))
    if kept.cut:
        on_event(
            Note(
                f"{kept.cut:,} of {len(kept.rows):,} captions are longer than the {states.longest} "
                f"tokens that {states.model} reads, and cut there."
            )
        )


def standardise(task: Task) -> None:
    """Tell a model that is to be trained the mean and deviation of what it was read ahead."""
    states, embedding = caption_states(task.model), state_embedding(task.model)
    if states is not None and embedding is not None and states.kept is not None:
        mean, deviation = states.kept.mean, states.kept.deviation
        embedding.learn(torch.from_numpy(mean), torch.from_numpy(deviation))
