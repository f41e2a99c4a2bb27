"""A run that needs another one: what is copied, when it is refused, and that the copy suffices."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from noiseloom.config import RunReference, option, references
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.runs.references import bring_references, check_references, open_references

TINY = ("data.num=200", "training.steps=2", "network.width=8", "network.depth=1")


@dataclass(frozen=True, kw_only=True)
class Inner:
    guide: RunReference | None = option(None)


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = option(default_factory=Inner)
    teacher: RunReference | None = option(None)
    steps: int = option(3)


@dataclass
class Needing:
    """As much of a run as its references are: a folder, and a config that names another run."""

    folder: Path
    recipe: Outer


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("references") / "other"
    run = Run.create(Recipe.load("toy-2d", [*TINY, "training.checkpoint_every=1"]), folder)
    run.train(evaluate=False)
    return run


def weights(tasks: Mapping[str, object], key: str) -> dict[str, torch.Tensor]:
    return tasks[key].model.state_dict()  # type: ignore[attr-defined]


def test_references_are_found_wherever_they_are() -> None:
    guide, teacher = RunReference(run="a"), RunReference(run="b")
    assert references(Outer(inner=Inner(guide=guide), teacher=teacher)) == {
        "inner.guide": guide,
        "teacher": teacher,
    }
    assert references(Outer()) == {}


def test_the_copy_outlives_the_other_run(other: Run, tmp_path: Path) -> None:
    mine = tmp_path / "moving"
    shutil.copytree(other.folder, mine)
    run = Needing(tmp_path / "run", Outer(teacher=RunReference(run=str(mine))))
    bring_references(run)  # type: ignore[arg-type]
    shutil.rmtree(mine)
    bring_references(run)  # type: ignore[arg-type] # what is there is not brought again
    opened = open_references(run)  # type: ignore[arg-type]
    newest = other.newest_checkpoint()
    assert newest is not None
    for name, value in weights(opened, "teacher").items():
        assert torch.equal(value, newest.groups["average"][name])
    assert not any(p.requires_grad for p in opened["teacher"].model.parameters())
    kept = sorted(
        p.name for p in (run.folder / "others/teacher/checkpoints/step-00000002").iterdir()
    )
    assert kept == ["average.safetensors", "manifest.json", "state.json"]


def test_a_checkpoint_and_the_weights_themselves_can_be_asked_for(
    other: Run, tmp_path: Path
) -> None:
    reference = RunReference(run=str(other.folder), checkpoint=1, raw=True)
    run = Needing(tmp_path, Outer(inner=Inner(guide=reference)))
    bring_references(run)  # type: ignore[arg-type]
    asked = other.checkpoints.load(1)
    assert asked is not None
    for name, value in weights(open_references(run), "inner.guide").items():  # type: ignore[arg-type]
        assert torch.equal(value, asked.groups["model"][name])


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (RunReference(run="nowhere"), "teacher.run names another run: nowhere is not a run"),
        (RunReference(run="OTHER", checkpoint=7), "has those of the steps 1, 2"),
    ],
)
def test_what_is_not_there_is_refused(other: Run, reference: RunReference, said: str) -> None:
    asked = RunReference(
        run=reference.run.replace("OTHER", str(other.folder)), checkpoint=reference.checkpoint
    )
    with pytest.raises(InputError, match=said):
        check_references(Outer(teacher=asked))  # type: ignore[arg-type]


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    Run.create(Recipe.load("toy-2d", TINY), tmp_path / "empty")
    asked = Outer(teacher=RunReference(run=str(tmp_path / "empty")))
    with pytest.raises(InputError, match="no checkpoint yet"):
        check_references(asked)  # type: ignore[arg-type]


def test_a_lost_copy_is_said(tmp_path: Path) -> None:
    run = Needing(tmp_path, Outer(teacher=RunReference(run="gone")))
    with pytest.raises(InputError, match="others/teacher"):
        open_references(run)  # type: ignore[arg-type]
