"""A command for any data, whose time and memory the run then compares with what it took."""

import json
import shlex
from pathlib import Path

import pytest

from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run, suggesting, trial
from noiseloom.runs.foretold import compare, in_words
from noiseloom.runs.recipe import Prediction
from noiseloom.runs.suggesting import suggest
from noiseloom.training.loop import Note


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.0)
    monkeypatch.setattr(suggesting, "SIZES", ((16, 2), (32, 2)))


def text(folder: Path) -> Path:
    words = "The quick brown fox jumps over the lazy dog, and back again. "
    (folder / "book.txt").write_text("".join(words[start % 9 :] for start in range(120)))
    return folder / "book.txt"


def words_of(command: str) -> tuple[str, list[str]]:
    noiseloom, train, recipe, *overrides = shlex.split(command)
    assert (noiseloom, train) == ("noiseloom", "train")
    return recipe, overrides


def test_text_seen_often_and_text_seen_once_are_trained_differently(tmp_path: Path) -> None:
    path = text(tmp_path)
    often, once = suggest(path, minutes=30), suggest(path, minutes=1e-4)
    assert (often.recipe, once.recipe) == ("text-repeated", "text-once")
    assert "drop-out" in often.words[-1] and "nothing holds back" in once.words[-1]
    assert often.overrides["network.width"] == 32  # the largest, for so many minutes
    assert once.overrides["training.steps"] >= 1
    recipe, overrides = words_of(often.command)
    assert Recipe.load(recipe, overrides).network.width == 32


def test_the_run_says_how_far_off_it_was(tmp_path: Path) -> None:
    recipe, overrides = words_of(suggest(text(tmp_path), minutes=0.01).command)
    run = Run.create(Recipe.load(recipe, [*overrides, "training.steps=2"]), tmp_path / "run")
    said: list[str] = []
    summary = run.train(
        evaluate=False, on_event=lambda e: said.append(str(e)) if isinstance(e, Note) else None
    )
    assert set(summary["prediction"]) == {"minutes", "minutes_error", "gib", "gib_error"}
    assert any(line.startswith("Foretold were") for line in said)


def test_a_table_takes_as_many_passes_as_are_of_use(tmp_path: Path) -> None:
    rows = [
        json.dumps({"text": f"a {'fine' if i % 2 else 'dull'} film {i}", "label": i % 2})
        for i in range(80)
    ]
    (tmp_path / "reviews.jsonl").write_text("\n".join(rows))
    found = suggest(tmp_path / "reviews.jsonl", minutes=1000)
    assert found.recipe == "classify-csv"
    assert found.overrides["training.steps"] == 200  # the fewest that are of use
    assert "time is left over" in found.words[-1]


def test_no_minutes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed is more than 0"):
        suggest(text(tmp_path), minutes=0)


def test_errors_are_shares_of_what_it_took() -> None:
    took = compare(Prediction(minutes=3, gib=1.5), 120, 2**30)
    assert took == {"minutes": 2, "minutes_error": 0.5, "gib": 1, "gib_error": 0.5}
    assert in_words(Prediction(minutes=3, gib=1.5), took) == (
        "Foretold were 3 min and 1.5 GiB of memory; training took 2.00 min and 1.00 GiB (off by "
        "+50 % and +50 %)."
    )
    with pytest.raises(ValueError, match="allowed is above 0"):
        Prediction(minutes=0, gib=1)
