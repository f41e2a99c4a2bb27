"""What is settled once: here, into how many parts a batch that does not fit is taken."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from noiseloom.data.forms import Batch
from noiseloom.errors import MachineError, is_out_of_memory
from noiseloom.runs import Recipe, Run
from noiseloom.runs.settling import Settled, finer
from noiseloom.seeds import Random
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.training.loop import Note, TrainingConfig

SMALL = ("network.depth=1", "network.width=24", "training.batch_size=12")
CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.fixture
def room_for(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let more than `most` items in one loss end as `error`; the sizes that were tried."""

    def limit(most: int, error: Exception = CUDA) -> list[int]:
        tried: list[int] = []
        loss = ImageGeneration.loss

        def limited(self: ImageGeneration, batch: Batch, random: Random):  # type: ignore[no-untyped-def]
            tried.append(len(batch.items))
            if len(batch.items) > most:
                raise error
            return loss(self, batch, random)

        monkeypatch.setattr(ImageGeneration, "loss", limited)
        return tried

    return limit


def train(folder: Path, *overrides: str, length: str = "training.steps=6") -> tuple[Run, list[str]]:
    run = Run.create(Recipe.load("digits", [*SMALL, length, *overrides]), folder)
    said: list[str] = []
    run.train(
        evaluate=False,
        on_event=lambda event: said.append(event.text) if isinstance(event, Note) else None,
    )
    return run, said


def weights(run: Run) -> bytes:
    return (run.checkpoints.path(run.checkpoints.steps()[-1]) / "model.safetensors").read_bytes()


@pytest.mark.parametrize("error", [CUDA, CPU, MemoryError()], ids=["cuda", "cpu", "python"])
def test_a_batch_that_does_not_fit_is_taken_in_parts(
    tmp_path: Path, room_for: Callable[..., list[int]], error: Exception
) -> None:
    asked, _ = train(tmp_path / "asked", "training.accumulate=4")
    tried = room_for(4, error)
    run, said = train(tmp_path / "run")
    # 12, 6, then 3 fit: two trial steps and six of training, of four parts each
    assert tried == [12, 6, *[3] * 4 * (2 + 6)]
    assert any("3 at a time do" in text and "accumulate=4" in text for text in said)
    assert run.read_json("environment.json")["settled"]["accumulate"] == 4
    assert weights(run) == weights(asked)
    assert "accumulate=4" in (run.folder / "log.txt").read_text()


def test_a_resume_keeps_the_parts_even_where_all_would_fit(
    tmp_path: Path, room_for: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(4)
    overrides = [*SMALL, "training.steps=6", "training.checkpoint_every=2"]
    run = Run.create(Recipe.load("digits", overrides), tmp_path / "run")

    def kill(event: object) -> None:
        if getattr(event, "step", 0) == 3:
            raise ValueError("as a kill would")

    with pytest.raises(ValueError, match="as a kill"):
        run.train(evaluate=False, on_event=kill)
    monkeypatch.undo()
    tried = room_for(100)
    run.resume(evaluate=False)
    assert set(tried) == {3} and len(tried) == 4 * 4  # steps 3 to 6, nothing tried again
    asked, _ = train(tmp_path / "asked", "training.accumulate=4")
    assert weights(run) == weights(asked)


def test_a_time_budget_is_measured_in_the_parts_that_fit(
    tmp_path: Path, room_for: Callable[..., list[int]]
) -> None:
    tried = room_for(6)
    run, _ = train(tmp_path / "run", length="training.max_minutes=0.01")
    assert run.read_json("environment.json")["settled"]["accumulate"] == 2
    assert set(tried[1:]) == {6}


def test_a_batch_that_fits_stays_whole(tmp_path: Path) -> None:
    run, said = train(tmp_path / "run", "training.accumulate=2")
    assert run.read_json("environment.json")["settled"]["accumulate"] == 2
    assert not said


def test_not_even_one_item_fits(tmp_path: Path, room_for: Callable[..., list[int]]) -> None:
    tried = room_for(0)
    with pytest.raises(MachineError, match="even with one item at a time"):
        train(tmp_path / "run")
    assert tried == [12, 6, 3, 1]


def test_other_errors_are_not_taken_for_memory(
    tmp_path: Path, room_for: Callable[..., list[int]]
) -> None:
    tried = room_for(4, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        train(tmp_path / "run")
    assert tried == [12]
    assert is_out_of_memory(CUDA) and is_out_of_memory(CPU) and not is_out_of_memory(ValueError())


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "expected"),
    [(64, 1, [1, 2, 4, 8, 16, 32, 64]), (6, 1, [1, 2, 6]), (30, 3, [3, 6, 15, 30]), (7, 7, [7])],
)
def test_parts_are_of_equal_size(batch_size: int, accumulate: int, expected: list[int]) -> None:
    assert list(finer(batch_size, accumulate)) == expected


def test_a_run_older_than_this_goes_on_as_its_recipe_says() -> None:
    settled = Settled(**json.loads('{"precision": "float32", "total_steps": 9}'))
    config = TrainingConfig(steps=9, batch_size=8, accumulate=2, checkpoint_every=3)
    applied = settled.apply(config)
    assert (applied.accumulate, applied.checkpoint_every, applied.sample_every) == (2, 3, 3)


def test_a_short_budget_is_not_spent_on_checkpoints_and_previews() -> None:
    config = TrainingConfig(max_minutes=1, batch_size=8)
    settled = Settled("float32", 100, 0.1, 1, checkpoints=3, previews=0)
    applied = settled.apply(config)
    assert (applied.checkpoint_every, applied.sample_every) == (34, 100)
