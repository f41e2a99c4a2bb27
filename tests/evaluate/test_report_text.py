"""What the report says of runs on text and of numbers; the page itself is in test_report.py."""

import json
from pathlib import Path

import pytest

from noiseloom.data.check import in_words
from noiseloom.evaluate.commands import use
from noiseloom.evaluate.facts import Facts, read_facts
from noiseloom.evaluate.model_card import card
from noiseloom.evaluate.page import page
from noiseloom.evaluate.verdicts import Verdict, verdicts
from noiseloom.evaluate.wording import items_in_words

ROWS = {
    "form": {"kind": "TextForm", "class_names": ["bad", "good"]},
    "item_shape": [1, 64],
    "unit": "rows",
    "counts": {"train": 900, "reference": 100},
}


def run(folder: Path, task: str, evaluation: dict, data: dict = ROWS) -> Facts:
    """The facts of a run's folder with these files."""
    (folder / "recipe.yaml").write_text(
        f"name: it\ntask: {task}\ndata: {{name: text, tokenizer: bpe}}\n"
    )
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "data_report.json").write_text(json.dumps(data))
    return read_facts(folder)


def beside(metric: str, own: float, plain: float, interval: tuple[float, float], **more) -> dict:
    return {
        "metrics": {metric: own, f"baseline_{metric}": plain},
        "intervals": {},
        "baselines": {
            "the plain one": {"metrics": {metric: plain}, "intervals": {metric: interval}}
        },
        **more,
    }


def first_verdict(folder: Path, evaluation: dict) -> Verdict:
    return verdicts(run(folder, "text-generation", evaluation))[0]


@pytest.mark.parametrize(
    ("own", "level", "said"),
    [(1.5, "good", ""), (2.01, "fair", " That is no better than"), (2.5, "bad", " That is worse")],
)
def test_lower_bits_are_better(tmp_path: Path, own: float, level: str, said: str) -> None:
    found = first_verdict(tmp_path, beside("bits_per_byte", own, 2.0, (1.9, 2.1)))
    assert found.level == level
    assert f"It takes {own:.3g} bits for a byte of held-out text (the plain one: 2)." in found.text
    assert (said in found.text) and ("Train longer" in found.text) == bool(said)


@pytest.mark.parametrize(
    ("interval", "level"), [([0.1, 0.3], "good"), ([-0.1, 0.1], "fair"), ([-0.3, -0.1], "bad")]
)
def test_the_same_windows_decide_where_both_were_asked_them(
    tmp_path: Path, interval: list[float], level: str
) -> None:
    checks = {"ahead": {"bits_per_byte": 0.2, "interval": interval}, "is_bound": True}
    evaluation = beside("bits_per_byte", 2.0, 2.0, (1.0, 3.0), checks=checks)
    found = first_verdict(tmp_path, evaluation)
    assert found.level == level
    assert "It takes at most 2 bits" in found.text


def test_higher_correlations_are_better(tmp_path: Path) -> None:
    assert first_verdict(tmp_path, beside("pearson", 0.8, 0.6, (0.55, 0.65))).level == "good"
    assert first_verdict(tmp_path, beside("pearson", 0.5, 0.6, (0.55, 0.65))).level == "bad"


def test_copying_and_going_in_circles_are_said(tmp_path: Path) -> None:
    evaluation = {
        "metrics": {"copied_share": 0.4, "repeated_share": 0.3},
        "intervals": {"copied_share": [0.3, 0.5], "repeated_share": [0.2, 0.4]},
        "floor": {"copied_share": 0.1, "repeated_share": 0.01},
        "floor_intervals": {"copied_share": [0.05, 0.15], "repeated_share": [0.0, 0.02]},
    }
    said = [verdict.text for verdict in verdicts(run(tmp_path, "text-generation", evaluation))]
    assert said[0].startswith("It copies: 40.0% of what it writes")
    assert said[1].startswith("It goes in circles: 30.0%") and "(of held-out text: 1.0%)" in said[1]
    evaluation["metrics"] = {"copied_share": 0.1, "repeated_share": 0.01}
    evaluation["intervals"] = {}
    (only,) = verdicts(run(tmp_path, "text-generation", evaluation))
    assert only.level == "good" and only.text.startswith("No sign of copying")


def test_baselines_are_columns_and_no_rows(tmp_path: Path) -> None:
    facts = run(tmp_path, "text-generation", beside("bits_per_byte", 1.5, 2.0, (1.9, 2.1)))
    for text in (page(facts), card(facts)):
        assert "he plain one" in text and "aseline bits" not in text


def test_texts_with_what_was_read_in_them(tmp_path: Path) -> None:
    rows = [{"input": f"<b>{n}", "expected": "good", "output": "bad"} for n in range(14)]
    evaluation = beside("accuracy", 0.9, 0.8, (0.7, 0.85))
    evaluation["checks"] = {
        "examples": rows,
        "mistakes": rows[:1],
        "reliability": [
            {"items": 90, "confidence": 0.9, "accuracy": 0.8},
            {"items": 10, "confidence": 0.6, "accuracy": 0.7},
        ],
    }
    facts = run(tmp_path, "text-classification", evaluation)
    text = page(facts)
    assert "900 rows of text, 2 classes" in text
    assert "&lt;b&gt;11" in text and "<b>0" not in text and "&lt;b&gt;12" not in text
    assert "The first 12 of 14." in text and "Surest mistakes" in text
    assert "Does it know when it is right?" in text and text.count('class="mark"') >= 2
    assert "noiseloom predict" in text and "A text to read." in text


def test_numbers_are_points_about_a_line(tmp_path: Path) -> None:
    evaluation = beside("pearson", 0.9, 0.8, (0.7, 0.85))
    evaluation["checks"] = {"points": {"truth": [0, 1, 2.5], "estimate": [0.1, 0.8, 2.0]}}
    text = page(run(tmp_path, "text-regression", evaluation))
    assert "<h2>Estimates</h2>" in text and text.count('<circle class="mark"') == 3
    assert "correlation with the truth" in text
    evaluation["checks"]["points"]["estimate"] = [1]
    assert "<h2>Estimates" not in page(run(tmp_path, "text-regression", evaluation))


def test_questions_with_their_answers(tmp_path: Path) -> None:
    evaluation = beside("f1", 0.5, 0.4, (0.3, 0.45))
    row = {"question": "Who?", "answers": ["Ada", "she"], "answer": "Ada", "baseline_answer": "Bob"}
    evaluation["checks"] = {"examples": [row, "damaged"]}
    text = page(run(tmp_path, "question-answering", evaluation))
    assert "<td>Who?</td><td>Ada</td><td>Ada</td><td>Bob</td>" in text


def test_what_it_writes_is_shown(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "final.txt").write_text("To be <or>\nnot\n" + "x" * 9_000)
    facts = run(tmp_path, "text-generation", {})
    assert "To be &lt;or&gt;\nnot" in page(facts) and "x" * 4_001 not in page(facts)
    assert "    To be <or>\n    not" in card(facts)


def test_items_are_named_by_what_they_are(tmp_path: Path) -> None:
    corpus = {
        "form": {"kind": "TextForm"},
        "item_shape": [129],
        "unit": "tokens",
        "pieces": 2048,
        "counts": {"used": 4_000_000, "train": 3_484_121, "reference": 455_945},
    }
    facts = run(tmp_path, "text-generation", {}, corpus)
    assert items_in_words(facts) == "3.5 million bpe tokens of text, 2,048 different ones"
    series = {"form": {"kind": "SeriesForm"}, "item_shape": [64, 2], "counts": {"train": 500}}
    facts = run(tmp_path, "time-series-regression", {}, series)
    assert items_in_words(facts) == "500 series"
    assert use("numbers", "a run", items="series").command == "noiseloom predict 'a run' series.csv"


def test_the_data_check_speaks_of_texts() -> None:
    report = {
        "source": "reviews",
        "kind": "bpe tokens, 300 different ones",
        "unit": "rows",
        "item_shape": [2, 64],
        "counts": {"used": 1_100, "train": 1_000, "reference": 100},
        "reference": "dev.tsv",
        "cut": {"train": 3, "reference": 1},
        "notes": [],
        "warnings": [],
    }
    said = in_words(report)
    assert "used       1,100 rows, each 2 texts of up to 64 tokens" in said
    assert "cut        3+1 texts are longer than 64 tokens and cut there" in said
    corpus = report | {"unit": "tokens", "item_shape": [65], "cut": {}}
    said = in_words(corpus | {"bytes": {"train": 5_000, "reference": 500}})
    assert "used       1,100 tokens, read 64 at a time" in said and "bytes      5,000+500" in said
    assert "cut" not in said
