"""A run that reads classes of texts: what it learns, keeps, answers and refuses."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from noiseloom import cli
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.training.loop import Note, Progress

GOOD, BAD = ("great", "fine", "lovely"), ("dull", "flat", "awful")
FILLING = ["the", "a", "film", "plot", "actor", "scene", "music", "was", "is", "and", "quite"]


def rows(number: int, seed: int) -> list[tuple[str, str]]:
    chance = np.random.default_rng(seed)
    found = []
    for row in range(number):
        words = list(chance.choice(FILLING, chance.integers(2, 8)))
        words.insert(chance.integers(len(words)), chance.choice((GOOD, BAD)[row % 2]))
        found.append((" ".join(words), ("good", "bad")[row % 2]))
    return found


def write(path: Path, found: list[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    path.write_text("\n".join("\t".join(one) for one in (columns, *found)) + "\n")


def recipe(folder: Path, *overrides: str) -> Recipe:
    small = ("network.width=16", "network.depth=1", "network.heads=2", "training.batch_size=32")
    data = (f"data.path={folder}", "data.vocabulary=300", "data.context=24")
    return Recipe.load("classify-csv", [*data, *small, "training.steps=60", *overrides])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    write(folder / "train.tsv", rows(300, 0), ("review", "label"))
    write(folder / "test.tsv", rows(60, 1), ("review", "label"))
    return folder


@pytest.fixture(scope="module")
def finished(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(recipe(table), tmp_path_factory.mktemp("runs") / "finished")
    run.train()
    return run


def test_it_learns_and_is_measured_beside_plain_methods(finished: Run) -> None:
    found = finished.read_json("evaluation.json")
    metrics = found["metrics"]
    assert metrics["accuracy"] > 0.9
    assert metrics["baseline_accuracy"] > 0.9  # a word tells
    assert {"macro_f1", "expected_calibration_error", "baseline_macro_f1"} <= set(metrics)
    assert list(found["baselines"]) == ["logistic regression", "most frequent class"]
    assert found["protocol"]["held_out"] == 60
    (shown, *_) = found["checks"]["examples"]
    assert shown["expected"] == "good" and 0.5 <= shown["confidence"] <= 1
    assert sum(row["items"] for row in found["checks"]["reliability"]) == 60


def test_the_mistakes_are_the_surest_wrong_ones(finished: Run) -> None:
    held_out = finished.open_data()
    found = finished.predict(held_out.reference.items)
    wrong = np.flatnonzero(found.labels != held_out.reference.labels)
    mistakes = finished.read_json("evaluation.json")["checks"]["mistakes"]
    assert len(mistakes) == min(20, len(wrong))
    surest = sorted(found.confidence[wrong], reverse=True)[: len(mistakes)]
    assert [one["confidence"] for one in mistakes] == pytest.approx(surest)
    assert all(one["expected"] != one["output"] for one in mistakes)


def test_it_keeps_what_it_reads_as_text(finished: Run) -> None:
    head, *lines = (finished.folder / "samples" / "predictions.txt").read_text().splitlines()
    assert head == "read\tright\ttext"
    texts = {text for text, _ in rows(60, 1)}
    assert len(lines) == 8 and all(line.split("\t")[2] in texts for line in lines)
    assert not (finished.folder / "samples" / "mistakes.png").exists()


def test_strings_are_read_as_rows_are(finished: Run) -> None:
    dataset = finished.open_data()
    texts = [text for text, _ in rows(60, 1)]
    assert [dataset.reference_texts[row][0] for row in range(60)] == texts
    found = finished.predict(texts)
    stored = finished.predict(dataset.reference.items)
    np.testing.assert_array_equal(found.probabilities, stored.probabilities)
    alone = finished.predict(texts[3])
    np.testing.assert_allclose(alone.probabilities[0], found.probabilities[3], rtol=1e-5)
    assert alone.names == [found.names[3]]


def test_a_long_text_is_cut_as_in_training_and_said(finished: Run) -> None:
    notes: list[object] = []
    found = finished.predict(["great " * 60, "dull"], on_event=notes.append)
    assert len(found.names) == 2
    (said,) = (str(note) for note in notes if isinstance(note, Note))
    assert said.startswith("1 of 2 are longer than the 24 tokens that this run reads")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "No items were given"),
        (["fine", " "], "Item 2 holds an empty text"),
        ([("one", "two")], r"Item 1 is \('one', 'two'\); this run reads one text an item: review"),
        ([Path("picture.png")], "this run reads one text an item"),
        (np.zeros((2, 1, 5), np.int32), r"tokens as integer arrays of shape \(N, 1, 24\)"),
    ],
)
def test_what_cannot_be_read_is_named(finished: Run, asked: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        finished.predict(asked)  # type: ignore[arg-type]


def test_an_interrupted_run_resumes_to_the_byte(finished: Run, table: Path, tmp_path: Path) -> None:
    run = Run.create(recipe(table), tmp_path / "run")

    def interrupt(event: object) -> None:
        if isinstance(event, Progress) and event.step == 25:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="Saved at step"):
        run.train(evaluate=False, on_event=interrupt)
    Run.open(run.folder).resume(evaluate=False)
    ended = [one.checkpoints.path(one.checkpoints.steps()[-1]) for one in (run, finished)]
    whole, again = ({path.name: path.read_bytes() for path in one.iterdir()} for one in ended)
    assert whole == again


# The command ------------------------------------------------------------------------------------


def test_predict_answers_texts_and_files(
    finished: Run, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(finished.folder)
    assert cli.main(["predict", run, "a great film", "so flat"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("a great film  good (") and second.startswith("so flat       bad (")
    out = tmp_path / "answers.jsonl"
    assert cli.main(["predict", run, "--input", str(table / "test.tsv"), "--out", str(out)]) == 0
    assert not capsys.readouterr().out
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["input"] for one in answers] == [[text] for text, _ in rows(60, 1)]
    found = finished.predict([text for text, _ in rows(60, 1)])
    assert [one["class"] for one in answers] == found.names
    assert answers[0]["probabilities"]["bad"] == pytest.approx(found.probabilities[0, 0])
    (tmp_path / "lines.txt").write_text("great\ndull\n")
    assert cli.main(["predict", run, "--input", str(tmp_path / "lines.txt"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["input"] for one in document["predictions"]] == ["great", "dull"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", "reviews\nfine\n", "no column 'review', which this run reads"),
        ("a.tsv", "review\nfine\nfine\ttwo\n", "a.tsv:3 cannot be read: with a wrong number"),
        ("a.tsv", "review\tn\nfine\t1\n\t2\n", "a.tsv:3 cannot be read: without a text"),
        ("a.txt", "fine\n\nfine\n", "a.txt:2 is empty; each line must hold an item"),
        ("a.txt", b"fine\n\xff\n", "a.txt:2 cannot be read: byte 0xff is no UTF-8"),
        (None, "", "There is no file"),
    ],
)
def test_a_file_with_a_bad_line_is_refused_by_its_place(
    finished: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str | None,
    content: str | bytes,
    said: str,
) -> None:
    path = tmp_path / (name or "gone.txt")
    if name:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert cli.main(["predict", str(finished.folder), "--input", str(path)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_nothing_or_too_much_asked_is_refused(
    finished: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", str(finished.folder)]) == 2
    assert "Nothing is given" in capsys.readouterr().err
    assert cli.main(["predict", str(finished.folder), "a", "--input", "b.txt"]) == 2
    assert "Both items and --input are given" in " ".join(capsys.readouterr().err.split())


# Pairs, and what does not fit ---------------------------------------------------------------------


def test_a_run_of_pairs_reads_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [(text, rows(80, 2)[row][0], label) for row, (text, label) in enumerate(rows(80, 3))]
    write(tmp_path / "pairs.tsv", found, ("premise", "hypothesis", "label"))
    run = Run.create(recipe(tmp_path / "pairs.tsv", "training.steps=2"), tmp_path / "run")
    run.train(evaluate=False)
    folder = str(run.folder)
    assert cli.main(["predict", folder, "--pair", "a great film", "so flat"]) == 0
    assert capsys.readouterr().out.startswith("a great film | so flat  ")
    with pytest.raises(InputError, match=r"this run reads 2 texts an item: premise and hypothesis"):
        run.predict(["one text"])
    (tmp_path / "lines.txt").write_text("one text\n")
    assert cli.main(["predict", folder, "--input", str(tmp_path / "lines.txt")]) == 2
    assert "is no table" in capsys.readouterr().err


def test_labels_that_are_numbers_are_refused_before_training(tmp_path: Path) -> None:
    numbers = [(text, f"{row / 7:.2f}") for row, (text, _) in enumerate(rows(80, 0))]
    write(tmp_path / "scores.tsv", numbers, ("review", "score"))
    run = Run.create(recipe(tmp_path / "scores.tsv"), tmp_path / "run")
    with pytest.raises(InputError, match="or use task text-regression"):
        run.train()
