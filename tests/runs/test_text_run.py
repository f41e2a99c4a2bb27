"""A run on text: what it leaves and says, that it resumes to the byte, and its best checkpoint."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.runs.choosing import choose_checkpoint
from noiseloom.training.loop import Note, Progress

SMALL = ("network.width=16", "network.depth=1", "network.heads=2", "data.context=16")
WORDS = ["a", "rose", "is", "by", "any", "other", "name", "as", "sweet", "and", "red", "too"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of words at random."""
    path = tmp_path_factory.mktemp("text") / "roses.txt"
    path.write_text(" ".join(np.random.default_rng(0).choice(WORDS, 3_000)))
    return path


def small(text: Path, *overrides: str) -> Recipe:
    measured = ("evaluation.samples=2", "evaluation.max_tokens=24", "evaluation.bootstrap=40")
    short = ("training.steps=12", "training.batch_size=8")
    return Recipe.load("shakespeare", [f"data.path={text}", *SMALL, *short, *measured, *overrides])


@pytest.fixture(scope="module")
def finished(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(small(text), tmp_path_factory.mktemp("runs") / "finished")
    run.train()
    return run


def checkpoint_bytes(run: Run) -> dict[str, bytes]:
    folder = run.checkpoints.path(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_says_what_it_is_and_what_beats_it(finished: Run) -> None:
    evaluation = finished.read_json("evaluation.json")
    metrics = evaluation["metrics"]
    assert metrics["bits_per_byte"] > metrics["baseline_bits_per_byte"] > 0  # after 12 steps
    assert evaluation["protocol"]["trained_steps"] == 12
    page = (finished.folder / "report.html").read_text()
    for said in (
        "A model for text generation",
        "characters of text, 15 different ones",
        "bits a byte of held-out text",
        "-gram: ",
        "That is worse than the plain way.",
        "windows of 16 (averaged weights, seed 0)",
        "interpolated Kneser-Ney",
        "How it goes on",
        "noiseloom sample",
    ):
        assert said in page, said
    for unsaid in ("images", "Baseline nats", "Logistic", "sampler", "held-out items"):
        assert unsaid not in page, unsaid
    card = (finished.folder / "README.md").read_text()
    assert "pipeline_tag: text-generation\n---" in card
    assert "| Bits per byte |" in card and "aseline" not in card.replace("baselines", "")


def test_an_interrupted_run_resumes_to_the_byte(finished: Run, text: Path, tmp_path: Path) -> None:
    run = Run.create(small(text), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    assert 5 <= run.checkpoints.steps()[-1] < 12
    Run.open(run.folder).resume(evaluate=False)
    assert checkpoint_bytes(run) == checkpoint_bytes(finished)


@pytest.fixture(scope="module")
def over_fitted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that learns 300 letters at random by heart."""
    path = tmp_path_factory.mktemp("letters") / "letters.txt"
    letters = np.random.default_rng(1).choice(list("abcdefgh"), 600)
    path.write_text("".join(letters))
    changes = (
        "data.held_out=0.5",
        "network.width=32",
        "training.steps=120",
        "training.checkpoint_every=20",
        "training.optimizer.rest.learning_rate=1e-2",
    )
    run = Run.create(small(path, *changes), tmp_path_factory.mktemp("runs") / "over-fitted")
    run.train()
    return run


def test_the_best_checkpoint_of_an_over_fitted_run_is_used_and_said(over_fitted: Run) -> None:
    said: list[object] = []
    _, step = over_fitted.trained_task(on_event=said.append)
    best = over_fitted.checkpoints.best()
    assert step == best and best is not None and best < 120
    (note,) = [event.text for event in said if isinstance(event, Note)]
    assert f"that of step {best} of 120" in note and "--checkpoint latest" in note
    assert note in (over_fitted.folder / "log.txt").read_text()  # said at the end of training, too
    for wanted in ("best", str(best), best):
        assert over_fitted.trained_task(checkpoint=wanted)[1] == best
    assert over_fitted.trained_task(checkpoint="latest")[1] == 120
    assert over_fitted.evaluate()["protocol"]["trained_steps"] == best
    assert f"checkpoint of step {best} of 120" in (over_fitted.folder / "report.html").read_text()
    assert "Over-fitting since step" in (over_fitted.folder / "report.html").read_text()


def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(finished: Run) -> None:
    with pytest.raises(InputError, match=r"--checkpoint is 5; allowed are best, latest .*: .*12"):
        finished.evaluate(checkpoint=5)
    with pytest.raises(InputError, match="--checkpoint is newest"):
        finished.trained_task(checkpoint="newest")


def test_a_damaged_best_checkpoint_gives_way_to_the_newest(
    over_fitted: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = over_fitted.checkpoints.best()
    assert best is not None
    path = over_fitted.checkpoints.path(best) / "average.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        said: list[object] = []
        found = choose_checkpoint(over_fitted, None, said.append)
        assert found.state["step"] == 120
        assert any(isinstance(one, Note) and "the newest is used" in one.text for one in said)
    finally:
        path.write_bytes(whole)
