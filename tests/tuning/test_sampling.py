"""Tuning a run: what is written, what is used from then on, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from noiseloom.cli import main
from noiseloom.errors import InputError
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.page_tuning import ema_sweep, tuned_sampler
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Note
from noiseloom.tuning.sampling import tune_sampler

TINY = ("data.num=400", "network.width=24", "network.depth=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Recipe.load("toy-2d", [*TINY, "training.steps=150"])
    run = Run.create(recipe, tmp_path_factory.mktemp("tune") / "run")
    run.train(evaluate=False)
    return run


@pytest.fixture(scope="module")
def tuned(run: Run) -> dict:
    return tune_sampler(run, budget=4, trials=30, num=60)


def test_it_is_reported_on_what_the_search_did_not_see(run: Run, tuned: dict) -> None:
    assert set(tuned["report"]) == {"tuned", "recipe", "ddim, 50 steps"}
    best = tuned["report"]["tuned"]
    assert best["calls"] <= 4 and best["passes"] <= 4
    assert tuned["report"]["ddim, 50 steps"]["passes"] == 50
    dataset = run.open_data()
    ruler = run.recipe.evaluation.ruler(dataset, 60, "second")
    labels = run.recipe.evaluation.labels(dataset, 60)
    task, _ = run.trained_task()
    from noiseloom.runs.drawing import draw
    from noiseloom.tasks import Request

    again = [ruler.of(draw(task, Request(), labels, num=60, seed=seed).items) for seed in (2, 3)]
    assert best["values"] == pytest.approx(again, rel=1e-9)


def test_the_run_samples_so_from_then_on(run: Run, tuned: dict) -> None:
    how = run.evaluate(num=60)["protocol"]
    assert how["sampler"] == tuned["report"]["tuned"]["how"]["sampler"]
    assert how["network_calls"] <= 4
    assert run.evaluate(num=60, untuned=True)["protocol"]["sampler"] == "heun"
    seen: list[object] = []
    mine = run.sample(num=4, steps=20, on_event=seen.append).items
    assert np.array_equal(mine, run.sample(num=4, untuned=True).items)
    assert any(isinstance(event, Note) and "left aside" in event.text for event in seen)
    assert not np.array_equal(mine, run.sample(num=4).items)
    assert Run.open(run.folder).recipe.task.sampler.name == "heun"  # the recipe stays


def test_a_damaged_file_says_how_to_do_without(run: Run, tuned: dict) -> None:
    path = run.folder / "sampler.json"
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(json.dumps({"task": {"sampler": {"name": "hune"}}}), encoding="utf-8")
        with pytest.raises(InputError, match=r"sampler\.json holds no sampler.*Remove it"):
            run.sample(num=1)
        assert run.sample(num=1, untuned=True).items.shape == (1, 2)
    finally:
        path.write_text(text, encoding="utf-8")


def test_a_classifier_has_no_sampler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Recipe.load("digits-classifier", ["training.steps=1", "network.width=4"])
    run = Run.create(recipe, tmp_path / "classifier")
    run.train(evaluate=False)
    assert main(["tune-sampler", str(run.folder)]) == 2
    assert "has no sampler to tune" in capsys.readouterr().err


def test_the_report_shows_what_was_found(run: Run, tuned: dict) -> None:
    section = tuned_sampler(read_facts(run.folder))
    assert "<h2>Tuned sampler</h2>" in section and "ddim, 50 steps" in section
    assert section in (run.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"metric": "x", "report": {"tuned": 3}}'])
def test_what_is_damaged_is_not_shown(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.yaml").write_bytes((run.folder / "recipe.yaml").read_bytes())
    for name in ("sampler.json", "ema_sweep.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    facts = read_facts(tmp_path)
    assert tuned_sampler(facts) == "" and ema_sweep(facts) == ""
