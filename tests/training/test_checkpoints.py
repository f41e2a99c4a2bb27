import json
import resource
import shutil
from pathlib import Path

import pytest
import torch

from noiseloom.errors import MachineError
from noiseloom.training.checkpoints import (
    Checkpoint,
    CheckpointFolder,
    DamagedCheckpoint,
    verify,
)


def make(step: int, loss: float | None = None, size: int = 10) -> Checkpoint:
    weights = {"a.b": torch.full((size,), float(step)), "scalar": torch.tensor(3)}
    return Checkpoint({"model": weights}, {"step": step, "held_out_loss": loss})


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert folder.load() is None
    saved = make(5)
    path = folder.save(saved, 10)
    loaded = folder.load()
    assert loaded is not None and loaded.state == saved.state
    for name, value in saved.groups["model"].items():
        assert loaded.groups["model"][name].equal(value)
        assert loaded.groups["model"][name].dtype == value.dtype
    assert (tmp_path / "checkpoints/latest").read_text() == f"{path.name}\n"


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        CheckpointFolder(tmp_path / name).save(make(5, 0.5), 10)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def damage_flip(path: Path) -> None:
    data = bytearray((path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (path / "model.safetensors").write_bytes(data)


def damage_cut(path: Path) -> None:
    data = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(data[:-3])


def damage_lose(path: Path) -> None:
    (path / "model.safetensors").unlink()


def damage_unsealed(path: Path) -> None:
    (path / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [damage_flip, damage_cut, damage_lose, damage_unsealed])
def test_a_damaged_one_is_passed_over_aloud(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    folder = CheckpointFolder(tmp_path)
    folder.save(make(1), 10)
    damage(folder.save(make(2), 10))
    said: list[str] = []
    loaded = folder.load(warn=said.append)
    assert loaded is not None and loaded.state["step"] == 1
    assert len(said) == 1 and "the checkpoint before it is used" in said[0]
    with pytest.raises(DamagedCheckpoint):
        folder.load(2)


def test_kept_are_the_last_three_the_best_and_one_a_tenth(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in range(1, 101):
        folder.save(make(step, loss=abs(step - 42.0)), 100)
    tenths = {9, 19, 29, 39, 49, 59, 69, 79, 89}
    assert set(folder.steps()) == tenths | {42} | {98, 99, 100}
    assert folder.best() == 42


def test_leftovers_of_a_killed_save_do_no_harm(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(make(1), 10)
    aside = tmp_path / ".writing-step-00000002"
    aside.mkdir()
    (aside / "model.safetensors").write_bytes(b"half")
    loaded = folder.load()
    assert loaded is not None and loaded.state["step"] == 1
    folder.save(make(2), 10)
    assert not aside.exists()
    assert folder.steps() == [1, 2]


def test_a_file_that_cannot_be_written_leaves_the_older_ones(tmp_path: Path) -> None:
    """A limit on file size stands for a disk that fills: the kernel refuses the write half-way."""
    folder = CheckpointFolder(tmp_path / "checkpoints")
    folder.save(make(1), 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(MachineError, match="What was saved before is intact"):
            folder.save(make(2, size=100_000), 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert folder.steps() == [1]
    verify(folder.path(1))
    assert not list((tmp_path / "checkpoints").glob(".writing*"))


def test_the_newer_is_verified_before_the_older_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in (1, 2, 3, 4):
        folder.save(make(step), 10)
    steps = folder.steps()

    def rotten(path: Path) -> None:
        raise DamagedCheckpoint("rotten")

    monkeypatch.setattr("noiseloom.training.checkpoints.verify", rotten)
    with pytest.raises(DamagedCheckpoint):
        folder.save(make(5), 10)
    assert set(steps) <= set(folder.steps())


def test_the_manifest_seals_every_file(tmp_path: Path) -> None:
    path = CheckpointFolder(tmp_path).save(make(1), 10)
    seals = json.loads((path / "manifest.json").read_text())
    assert set(seals) == {"model.safetensors", "state.json"}
    shutil.rmtree(path)
    with pytest.raises(DamagedCheckpoint, match="no readable manifest"):
        verify(path)
