"""The table of benchmarks/images.py, from a small made folder; the peers need not be installed."""

import ast
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def table(monkeypatch):
    """The table's module, with what it imports from benchmarks/ gone again afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module("peers.table")
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("peers", "judge"):
            del sys.modules[name]


def flat(brightness, num=4):
    """Images of one brightness: `verdict` calls it their distance."""
    return np.full((num, 28, 28, 1), brightness, np.uint8)


def verdict(images):
    """A judge that reads the distance off the brightness; fewer samples are further off."""
    distance = float(images.mean()) + (40 if len(images) < 4 else 0)
    return {
        "num": len(images),
        "frechet_distance": distance,
        "frechet_over_floor": distance / 10,
        "label_agreement": 0.5,
        "recall": 0.25,
        "real": {"frechet_distance": 10.0, "recall": 0.875},
    }


def timed(**sampling):
    return {
        "library": "a library 1.0",
        "parameters": 1234567,
        "step_seconds": 0.5,
        "steps": 2400,
        "sampling_seconds_1000": sampling,
    }


def trained(name, rate, **candidates):
    ways = {way.replace("_", " "): distance for way, distance in candidates.items()}
    return {
        "contestant": name,
        "rate": rate,
        "steps": 2400,
        "search": False,
        "steps_made": 2400 if candidates else 700,
        "device": "cpu",
        "candidates": ways,
        "array": f"{rate:g}-2400",
    }


@pytest.fixture
def folder(tmp_path):
    """diffusers-small at two rates, a control cut short, and Noiseloom at 90, 60 and 30."""
    ways = {"ddim-50": 300.0, "dpm++-20": 120.0}
    contestants = {name: timed(**ways) for name in ("diffusers-small", "control", "lucidrains")}
    (tmp_path / "times.json").write_text(json.dumps({"minutes": 20, "contestants": contestants}))
    search = trained("diffusers-small", 5e-4, **{"average_ddim-50": 1.0})
    runs = [
        {**search, "search": True, "steps": 600},
        trained("diffusers-small", 1e-3, **{"average_ddim-50": 80.0, "average_dpm++-20": 61.0}),
        trained("diffusers-small", 2e-3, **{"average_ddim-50": 70.0, "raw_dpm++-20": 65.0}),
        trained("control", 1e-3),
    ]
    (tmp_path / "train.json").write_text(json.dumps({"runs": runs}))
    np.savez(tmp_path / "samples-diffusers-small.npz", **{"0.001-2400": flat(64), "0.002-2400": 7})
    (tmp_path / "ours").mkdir()
    own = {}
    for minutes, guided, unguided in ((2, 30, 50), (0.25, 90, 95), (1, 60, 85)):
        own[f"{minutes:g}"] = {
            "minutes": minutes,
            "steps": 100,
            "step_seconds": 0.06,
            "chosen_at": {"recipe": guided + 5.0, "strong": guided - 5.0},
            "sampling_seconds_1000": {"recipe": 9.0, "strong": 9.5, "off": 8.0},
        }
        np.savez(tmp_path / "ours" / f"{minutes:g}-recipe.npz", images=flat(guided))
        np.savez(tmp_path / "ours" / f"{minutes:g}-strong.npz", images=flat(guided + 10))
        np.savez(tmp_path / "ours" / f"{minutes:g}-off.npz", images=flat(unguided))
    (tmp_path / "ours.json").write_text(json.dumps(own))
    return tmp_path


def test_the_sampler_is_chosen_on_one_seed_and_reported_on_the_other(table, folder):
    peer = table.compare(folder, verdict)["peers"]["diffusers-small"]
    assert (peer["rate"], peer["weights_and_sampler"]) == (1e-3, "average dpm++-20")
    assert peer["chosen_at"] == 61.0
    assert peer["verdict"]["frechet_distance"] == 64.0
    assert peer["sampling_seconds_1000"] == 120.0


def test_the_ratio_is_of_the_shortest_training_that_is_no_worse(table, folder):
    peer = table.compare(folder, verdict)["peers"]["diffusers-small"]
    assert (peer["noiseloom_minutes_recipe"], peer["ratio_recipe"]) == (1, 20)
    assert (peer["noiseloom_minutes_off"], peer["ratio_off"]) == (2, 10)


def test_noiselooms_own_best_is_chosen_on_one_seed_and_reported_on_the_other(table, folder):
    found = table.compare(folder, verdict)
    best = [run for run in found["noiseloom"] if run["way"] == "best"]
    assert [run["drawn"] for run in best] == ["strong"] * 3
    assert [run["verdict"]["frechet_distance"] for run in best] == [100, 70, 40]
    peer = found["peers"]["diffusers-small"]
    assert (peer["noiseloom_minutes_best"], peer["ratio_best"]) == (2, 10)


def test_a_peer_that_is_never_reached_has_no_ratio(table, folder):
    np.savez(folder / "samples-diffusers-small.npz", **{"0.001-2400": flat(29)})
    found = table.compare(folder, verdict)
    peer = found["peers"]["diffusers-small"]
    assert peer["noiseloom_minutes_recipe"] is None
    assert peer["ratio_recipe"] is None
    assert "not reached | not reached | not reached" in table.markdown(found)


def test_noiseloom_is_compared_at_as_many_samples_as_the_peer_has(table, folder):
    np.savez(folder / "samples-diffusers-small.npz", **{"0.001-2400": flat(64, num=2)})
    peer = table.compare(folder, verdict)["peers"]["diffusers-small"]
    assert peer["verdict"]["frechet_distance"] == 104.0
    assert peer["ratio_recipe"] == 20


def test_what_is_missing_is_said(table, folder):
    found = table.compare(folder, verdict)
    assert found["peers"]["control"]["missing"] == "stopped after 700 of 2400 steps"
    assert found["peers"]["lucidrains"]["missing"] == "not trained"
    assert found["peers"]["diffusers-example"]["missing"] == "not timed"
    assert set(found["peers"]) == set(table.NAMES)


def test_the_markdown_has_a_row_for_each_and_all_are_equally_wide(table, folder):
    found = table.compare(folder, verdict)
    rows = [line for line in table.markdown(found).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(table.NAMES) + 9
    assert len({row.count("|") for row in rows}) == 1
    assert (
        "| diffusers-small, rate 0.001 | 1,234,567 | 500 | 2,400 | 64.0 / 10.0 = 6.40 (n = 4) "
        "| 50.0% | 0.25 (0.88) | average dpm++-20 | 120 | 2 min, 10 x | 1 min, 20 x | 2 min, 10 x |"
    ) in rows
    assert [row.split("|")[1].strip() for row in rows[-9:]] == [
        f"noiseloom, {minutes} min" for minutes in ("0.25", "1", "2") for _ in range(3)
    ]


def test_an_empty_folder_makes_a_table_of_what_is_missing(table, tmp_path):
    found = table.compare(tmp_path, verdict)
    assert {peer["missing"] for peer in found["peers"].values()} == {"not timed"}
    assert found["noiseloom"] == []
    assert table.markdown(found).count("| not timed |") == len(table.NAMES)


@pytest.fixture
def training(table, tmp_path, monkeypatch):
    """`train` with a fifth of the steps for rates, on contestants that are not really trained."""
    jobs = importlib.import_module("peers.jobs")
    rates = {"control": (1e-3, 2e-3), "diffusers-example": (1e-4,)}
    monkeypatch.setattr(jobs, "contestant", lambda name: SimpleNamespace(rates=rates[name]))
    monkeypatch.setattr(jobs.judge, "read_digits", lambda data, part: None)
    monkeypatch.setattr(jobs.judge, "prepare", lambda train, cache: None)
    times = {"contestants": {name: {"steps": 100} for name in rates}}
    (tmp_path / "times.json").write_text(json.dumps(times))
    started, stopped = [], set()

    def start(job, given):
        started.append((job.contestant, job.rate, job.steps, job.search))
        ended = job.contestant not in stopped
        run = {
            **asdict(job),
            "steps_made": job.steps if ended else 7,
            "seconds": 1.0,
            "sampling_seconds": 1.0,
            "candidates": {"average ddim-50": 1 / job.rate} if ended else {},
        }
        return run, {} if job.search else {f"{job.rate:g}": flat(1)}

    monkeypatch.setattr(jobs, "_start", start)

    def train():
        started.clear()
        jobs.train_all(
            SimpleNamespace(
                data=tmp_path,
                out=tmp_path,
                times=None,
                only=list(rates),
                steps=None,
                search_share=0.2,
                jobs=1,
                limit_seconds=1e9,
            )
        )
        return list(started)

    train.stopped = stopped
    return train


def test_the_rate_whose_search_is_best_is_trained_to_the_end(training, tmp_path):
    assert training() == [
        ("control", 1e-3, 20, True),
        ("control", 2e-3, 20, True),
        ("control", 2e-3, 100, False),
        ("diffusers-example", 1e-4, 100, False),
    ]
    with np.load(tmp_path / "samples-control.npz") as arrays:
        assert list(arrays) == ["0.002"]


def test_training_goes_on_from_what_there_is_and_makes_again_what_was_stopped(training, tmp_path):
    training.stopped.add("diffusers-example")
    training()
    training.stopped.clear()
    assert training() == [("diffusers-example", 1e-4, 100, False)]
    assert training() == []
    assert len(json.loads((tmp_path / "train.json").read_text())["runs"]) == 4


def test_training_without_times_says_what_to_do(training, tmp_path):
    (tmp_path / "times.json").unlink()
    with pytest.raises(SystemExit, match="no times of control, diffusers-example: run the stage"):
        training()


def test_plans_span_exactly_the_steps(table):
    peers = sys.modules["peers"]
    for steps in (1, 2, 10, 2000):
        plan = peers.warm_down(steps)
        assert len(plan) == steps
        assert plan.max() == 1
    assert peers.warm_down(2000)[-1] == pytest.approx(1 / 1920)
    assert peers.cosine(2000)[[0, 250, 500, 1250]].tolist() == pytest.approx([0, 0.5, 1, 0.5])
    assert peers.power_average(3).tolist() == pytest.approx([1, 2**-0.75, 3**-0.75])


def test_each_library_is_imported_in_one_file_only():
    homes = {"diffusers": set(), "denoising_diffusion_pytorch": set(), "noiseloom": set()}
    for path in (*BENCHMARKS.glob("peers/*.py"), BENCHMARKS / "images.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else names
            for name in names:
                homes.get(name.split(".")[0], set()).add(path.name)
    assert homes == {
        "diffusers": {"with_diffusers.py"},
        "denoising_diffusion_pytorch": {"with_lucidrains.py"},
        "noiseloom": {"control.py"},
    }
