"""Two real processes that hold half a model each train as one does, and go on from each other."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from noiseloom.runs import Recipe, Run
from noiseloom.runs.building import build_task
from noiseloom.runs.recipe import fingerprint_of
from noiseloom.runs.trainer import measure_statistics
from noiseloom.training.checkpoints import CheckpointFolder
from noiseloom.training.loop import Training
from tests.runs.processes import ENVIRONMENT, SHORT, curve, finish, torchrun

CLIPPED = [*SHORT, "training.sharding=full", "training.accumulate=2", "training.clip=0.05"]
MUON = [*CLIPPED, "training.optimizer.weight_decay=0.1"]
NARROW = ["network.width=16", "network.depth=1", "network.heads=2", "network.text_depth=1"]
CAPTIONED = [
    *NARROW,
    "data.num=40",
    "data.num_reference=10",
    "training.steps=4",
    "training.batch_size=4",
    "training.precision=float32",
    "training.sharding=full",
]
ADAMW = [*CLIPPED, "training.optimizer=adamw", "training.optimizer.weight_decay=0.1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have trained: tests/runs/two_shares.py says what."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = Recipe.load("digits", [*SHORT, "training.sharding=full"])
    run = Run.create(recipe, folder / "begun-alone")

    def stop(event: object) -> None:
        if getattr(event, "step", 0) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run.train(evaluate=False, on_event=lambda event: (said.append(str(event)), stop(event)))
    assert any("training.sharding=full has no effect" in text for text in said)
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        torchrun("-m", "tests.runs.two_shares", str(folder)),
        cwd=root,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    code, errors = finish(child)
    assert code == 0, errors
    return folder


def build(overrides: list[str], name: str = "digits") -> Training:
    """A training of the recipe, without a run's folder, in as many processes as there are."""
    recipe = Recipe.load(name, overrides)
    data, config = recipe.data.open(), recipe.training
    task = build_task(recipe, data.form, measure_statistics(data), sharding=config.sharding)
    return Training(config, task, data.train, "float32", total_steps=12)


def read_facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    return facts


@pytest.mark.parametrize(("name", "overrides"), [("muon", MUON), ("adamw", ADAMW)])
def test_shares_train_as_one_process(folder: Path, name: str, overrides: list[str]) -> None:
    alone = build(overrides)
    losses = [progress.loss for progress in alone.run()]
    assert read_facts(folder)[f"{name}: losses"] == pytest.approx(losses, rel=1e-5)
    expected, saved = alone.checkpoint(), CheckpointFolder(folder / name).load(12)
    assert saved is not None
    for group, tensors in expected.groups.items():
        assert tensors.keys() == saved.groups[group].keys()
        for key, value in tensors.items():
            torch.testing.assert_close(value, saved.groups[group][key], rtol=1e-3, atol=1e-5)


def test_shares_read_captions_as_one_process(folder: Path) -> None:
    losses = [progress.loss for progress in build(CAPTIONED, "scenes-small").run()]
    assert read_facts(folder)["captions: losses"] == pytest.approx(losses, rel=1e-5)


def test_a_run_goes_on_as_shares_as_copies_and_alone(folder: Path) -> None:
    alone = build(SHORT)
    losses = [progress.loss for progress in alone.run()]
    Run.open(folder / "goes-on-alone").resume(evaluate=False)
    for name in ("begun-alone", "goes-on-as-copies", "goes-on-alone"):
        assert curve(Run.open(folder / name)) == pytest.approx(losses, rel=1e-4)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_each_process_holds_half_of_everything(folder: Path, name: str) -> None:
    (first, numbers), (second, _) = read_facts(folder)[f"{name}: numbers held"]
    assert abs(first - numbers / 2) < 0.05 * numbers
    assert abs(second - numbers / 2) < 0.05 * numbers


def test_work_on_whole_matrices_is_shared_out_exactly(folder: Path) -> None:
    expected = {"placed": True, "copies": True, "rows": True}
    assert read_facts(folder)["worked"] == [expected, expected]


def test_how_processes_share_a_model_out_does_not_make_another_run(tmp_path: Path) -> None:
    shares, copies = (tmp_path / f"{word}.yaml" for word in ("full", "none"))
    for path in (shares, copies):
        recipe = Recipe.load("digits", [f"training.sharding={path.stem}"])
        path.write_text(recipe.to_yaml())
    assert fingerprint_of(shares) == fingerprint_of(copies)
