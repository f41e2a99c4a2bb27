"""What a run keeps while it trains: checkpoints with their held-out loss, and samples."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from noiseloom.data.dataset import Split
from noiseloom.errors import MachineError
from noiseloom.runs.pictures import save_preview
from noiseloom.runs.reconstructing import save_reconstructions
from noiseloom.runs.writing import save_texts
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Reconstructs, Task, Writes
from noiseloom.training.checkpoints import Checkpoint, CheckpointFolder
from noiseloom.training.distributed import from_first
from noiseloom.training.loop import Training
from noiseloom.training.snapshots import SnapshotFolder

HELD_OUT_ITEMS = 256


class Keeper:
    """Saves and previews a training into a run's `folder`, when they are due.

    Every process calls it alike, since each may hold a share of the model; the first writes.
    `facts` goes into every checkpoint's state: what a resume must find unchanged.
    """

    def __init__(
        self, folder: Path, training: Training, task: Task, held_out: Split, facts: dict[str, Any]
    ) -> None:
        config, total = training.config, training.total_steps
        self.folder = folder
        self.training = training
        self.task = task
        self.facts = facts
        self.held_out = held_out
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.save_every = config.checkpoint_every or total  # settled, where the recipe is silent
        self.sample_every = config.sample_every or total
        self.snapshots = SnapshotFolder(folder / "snapshots")

    @property
    def save_is_due(self) -> bool:
        """Whether the step just done ends with a checkpoint."""
        step = self.training.step
        return step % self.save_every == 0 or step == self.training.total_steps

    @property
    def preview_is_due(self) -> bool:
        """Whether the step just done ends with samples to look at; the last comes after."""
        step = self.training.step
        return (
            isinstance(self.task, Draws | Reconstructs | Writes)
            and 0 < step < self.training.total_steps
            and step % self.sample_every == 0
        )

    @property
    def snapshot_is_due(self) -> bool:
        """Whether the step just done ends with a snapshot of the averages."""
        step, total, number = (
            self.training.step,
            self.training.total_steps,
            self.training.config.snapshots,
        )
        return number > 0 and (step % math.ceil(total / number) == 0 or step == total)

    def snapshot(self) -> None:
        """Keep the averages as they are now."""
        averages = self.training.snapshot()
        from_first(lambda: str(self.snapshots.save(self.training.step, averages)))

    def save(self) -> tuple[Path, float]:
        """Write a checkpoint; its path and the held-out loss it records.

        Raises MachineError where that loss is not finite: such weights are not kept.
        """
        loss = self.held_out_loss()
        checkpoint = self.training.checkpoint(held_out_loss=loss, **self.facts)
        return from_first(lambda: self._write(checkpoint)), loss

    def _write(self, checkpoint: Checkpoint) -> Path:
        if not math.isfinite(loss := checkpoint.state["held_out_loss"]):
            raise MachineError(
                f"After step {self.training.step} the held-out loss is {loss}; these weights are "
                "not saved. Lower training.optimizer.learning_rate and start again, or resume "
                "from the last checkpoint"
            )
        return self.checkpoints.save(checkpoint, self.training.total_steps)

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """The averaged weights' loss on held-out items, with the same noise every time."""
        training = self.training
        held, number = self.held_out, min(HELD_OUT_ITEMS, len(self.held_out))
        chosen = np.linspace(0, len(held) - 1, number).round().astype(int)  # files come by class
        random = Random(training.config.seed, range(number), total=number).under("held-out")
        losses = []
        with training.averaged():
            for alike in held.by_size(chosen):
                own = replace(random, items=alike.tolist())
                losses.append(self.task.losses(held.batch(chosen[alike]), own, training=False))
        return torch.cat(losses).mean().item()

    def preview(self) -> None:
        """Samples, reconstructions or texts of the averaged weights, unless they are there.

        Nothing for a task that makes none of them.
        """
        task, seed = self.task, self.training.config.seed
        if not isinstance(task, Draws | Reconstructs | Writes):
            return
        kind = "txt" if isinstance(task, Writes) else "png"
        path = self.folder / "samples" / f"step-{self.training.step:08d}.{kind}"
        if from_first(path.exists):
            return
        with self.training.averaged():
            if isinstance(task, Draws):
                save_preview(task, path, seed=seed)
            elif isinstance(task, Writes):
                save_texts(task, self.held_out, path, seed=seed)
            else:
                save_reconstructions(task, self.held_out, path)
