"""What each of two processes does for tests/runs/test_sharding.py, which starts them.

    torchrun --standalone --nproc-per-node 2 -m tests.runs.two_shares FOLDER

FOLDER/begun-alone is a run that one process has begun. Everything is done here in one start, since
starting two processes takes longer than all of it.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from noiseloom.runs import Recipe, Run
from noiseloom.training.checkpoints import CheckpointFolder
from noiseloom.training.distributed import gathered, is_first, parting
from noiseloom.training.engines import place
from noiseloom.training.loop import Training
from noiseloom.training.parts import local, whole
from noiseloom.training.sharing import share_out
from tests.runs.processes import SHORT
from tests.runs.test_sharding import ADAMW, CAPTIONED, MUON, build

SHAPES = [(5, 3), (1, 4), (4, 8), (2, 2), (3, 1)]  # some rows cannot be halved


def main(folder: Path) -> None:
    Run.open(folder / "begun-alone").resume(evaluate=False)
    for name in ("goes-on-alone", "goes-on-as-copies"):
        run = Run.create(Recipe.load("digits", [*SHORT, "training.sharding=full"]), folder / name)
        stop_after_five_steps(run)
    copies = replace(run.recipe, training=replace(run.recipe.training, sharding="none"))
    Run(run.folder, copies).resume(evaluate=False)
    with parting():
        facts = {"worked": gathered(whole_matrices_are_met())}
        for name, overrides in (("muon", MUON), ("adamw", ADAMW)):
            training = build(overrides)
            facts[f"{name}: losses"] = [progress.loss for progress in training.run()]
            facts[f"{name}: numbers held"] = gathered(numbers_held(training))
            checkpoint = training.checkpoint()
            if is_first():
                CheckpointFolder(folder / name).save(checkpoint, total_steps=12)
        reading = build(CAPTIONED, "scenes-small")
        facts["captions: losses"] = [progress.loss for progress in reading.run()]
    if is_first():
        (folder / "facts.json").write_text(json.dumps(facts))


def stop_after_five_steps(run: Run) -> None:
    """As Ctrl-C in one of the processes does."""

    def stop(event: object) -> None:
        if getattr(event, "step", 0) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step 6"):
        run.train(evaluate=False, on_event=stop)


def numbers_held(training: Training) -> list[int]:
    """How many numbers of weights, average and optimiser this process holds, and how many are."""
    tensors = [
        *training.task.model.parameters(),
        *training.average.values.values(),
        *training.optimizer.tensors().values(),
    ]
    return [sum(local(t).numel() for t in tensors), sum(t.numel() for t in tensors)]


class Matrices(nn.Module):
    """Nothing but matrices, each a block of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(nn.Linear(*shape[::-1], bias=False) for shape in SHAPES)


def whole_matrices_are_met() -> dict[str, bool]:
    """Whether work that needs all rows of a matrix gives the same, to the bit, as in one process.

    With matrices that every process holds, and with matrices of which each holds some rows.
    """
    alone, shared = Matrices(), Matrices()
    matrices = [p.detach() for p in alone.parameters()]
    place(shared, torch.device("cpu"), "full")
    rows = [p.detach() for p in shared.parameters()]
    expected = running_sums(matrices)
    of_copies, of_rows = share_out(running_sums, matrices), share_out(running_sums, rows)
    own = [whole(p) for p in rows]
    for p, result in zip(rows, of_rows, strict=True):
        local(p).copy_(result)
    return {
        "placed": all(map(torch.equal, own, matrices)),
        "copies": all(map(torch.equal, of_copies, expected)),
        "rows": all(map(torch.equal, [whole(p) for p in rows], expected)),
    }


def running_sums(matrices: list[Tensor]) -> list[Tensor]:
    return [matrix.cumsum(0).flip(0) for matrix in matrices]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
