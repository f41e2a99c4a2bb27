"""The sweep over averages, on points."""

from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.cli import main
from noiseloom.errors import InputError
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.kernel import KernelDistance, negative_distance
from noiseloom.evaluate.page_tuning import ema_sweep
from noiseloom.runs import Recipe, Run
from noiseloom.tuning.averages import WIDTHS, sweep_averages, sweep_in_words

TINY = ("data.num=400", "training.steps=60", "network.width=16", "network.depth=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Recipe.load("toy-2d", [*TINY, "training.snapshots=12", "task.sampler.steps=4"])
    run = Run.create(recipe, tmp_path_factory.mktemp("sweep") / "run")
    run.train(evaluate=False)
    return run


def test_each_width_is_measured_as_evaluate_would(run: Run) -> None:
    swept = sweep_averages(run, num=100)
    assert [row["width"] for row in swept["rows"]] == [None, *WIDTHS]
    measured = run.evaluate(num=100, ema=0.1)
    row = next(row for row in swept["rows"] if row["width"] == 0.1)
    assert row["energy_distance"] == pytest.approx(measured["metrics"]["energy_distance"], rel=1e-6)
    assert measured["protocol"]["weights"] == "ema 0.1"
    raw = run.evaluate(num=100, raw=True)["metrics"]["energy_distance"]
    assert swept["rows"][0]["energy_distance"] == pytest.approx(raw, rel=1e-6)
    assert run.read_json("ema_sweep.json")["metric"] == "energy_distance"
    assert "*" in sweep_in_words(swept, run.folder)
    section = ema_sweep(read_facts(run.folder))
    assert "<h2>Averages of the weights</h2>" in section and "polyline" in section


def test_each_half_is_of_other_held_out_items(run: Run) -> None:
    dataset = run.open_data()
    items = dataset.train.items[:50]
    for half, first in (("first", 0), ("second", 1)):
        held_out = torch.from_numpy(np.array(dataset.reference.items[first::2], dtype=np.float64))
        energy = KernelDistance.against(held_out, negative_distance)
        measured = run.recipe.evaluation.ruler(dataset, 50, half).of(items)
        assert measured == energy.of(torch.from_numpy(np.array(items, dtype=np.float64)))


def test_without_snapshots_it_says_how_to_have_them(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = Run.create(
        Recipe.load("toy-2d", [*TINY, "training.steps=2", "training.snapshots=0"]),
        tmp_path / "bare",
    )
    bare.train(evaluate=False)
    with pytest.raises(InputError, match=r"training\.snapshots=12"):
        sweep_averages(bare)
    assert main(["evaluate", str(run.folder), "--ema-sweep", "--steps", "3"]) == 2
    assert "leave out --steps" in capsys.readouterr().err
