"""Questions as they are trained on: where answers stand, what is held out, what is made."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noiseloom.data.cloze import ask_by_rule
from noiseloom.data.dataset import OpensBeside, TextDataset
from noiseloom.data.invented.dice import Dice
from noiseloom.data.invented.paragraphs import write_paragraph
from noiseloom.data.made_questions import make_questions
from noiseloom.data.questions import Config, answers_of
from noiseloom.data.tokenizer import PAD, SEPARATOR
from noiseloom.errors import DataError

DRAWN = [5, 6, 6, 2, 5, 3, 3, 3]
CONTEXTS = [f"In {1900 + i} the Łódź mill number {i} burned. Nobody was hurt." for i in range(12)]


def squad(folder: Path, contexts: list[str], name: str = "own.json") -> Path:
    """Two questions on each context, the first with two answers."""
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": f"{name}-{i}-when",
                    "question": "When did it burn?",
                    "answers": [
                        {"text": context[3:7], "answer_start": 3},
                        {"text": context[:7], "answer_start": 0},
                    ],
                },
                {
                    "id": f"{name}-{i}-who",
                    "question": "Who was hurt?",
                    "answers": [{"text": "Nobody", "answer_start": context.index("Nobody")}],
                },
            ],
        }
        for i, context in enumerate(contexts)
    ]
    path = folder / name
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    return path


def config(folder: Path, **settings: Any) -> Config:
    settings = {"tokenizer": "bytes", "context": 64, "cache": str(folder / "cache"), **settings}
    return Config(**settings)


def spans_as_text(dataset: TextDataset, split: str) -> list[str]:
    """The text between the first token and the last of each row that holds its answer."""
    part = getattr(dataset, split)
    return [
        dataset.form.tokenizer.decode(item[0, first : last + 1])
        for item, (first, last) in zip(part.items, part.labels, strict=True)
        if first >= 0
    ]


@pytest.mark.parametrize("kind", ["bytes", "characters", "bpe"])
def test_labels_are_the_tokens_of_the_first_answer(kind: str, tmp_path: Path) -> None:
    path = squad(tmp_path, CONTEXTS)
    learned = {"vocabulary": 300} if kind == "bpe" else {}
    dataset = config(tmp_path, path=str(path), tokenizer=kind, **learned).open()
    found = [text.strip() for text in spans_as_text(dataset, "train")]
    wanted = [answers_of(row)[0] for row in dataset.train_texts]
    assert found == wanted
    assert Counter(found)["Nobody"] == len(found) / 2
    assert dataset.form.columns == ("context", "question")


def test_no_context_is_on_both_sides(tmp_path: Path) -> None:
    dataset = config(tmp_path, path=str(squad(tmp_path, CONTEXTS)), held_out=0.25).open()
    train, held = (
        {row[0] for row in texts} for texts in (dataset.train_texts, dataset.reference_texts)
    )
    assert (len(train), len(held)) == (9, 3)
    assert not train & held
    assert dataset.report["questions"] == {"train": 18, "reference": 6}


def test_a_file_can_be_held_out_instead_and_its_contexts_are_not_trained_on(
    tmp_path: Path,
) -> None:
    own = squad(tmp_path, CONTEXTS)
    other = squad(tmp_path, [*CONTEXTS[:2], "In 2001 no mill was left. Nobody knew."], "other.json")
    dataset = config(tmp_path, path=str(own), validation=str(other)).open()
    assert {row[2] for row in dataset.reference_texts} == {
        f"other.json-{i}-{what}" for i in range(3) for what in ("when", "who")
    }
    assert not {row[0] for row in dataset.train_texts} & set(CONTEXTS[:2])
    assert dataset.report["skipped"]["reasons"] == {"context that is held out, too": 4}


def test_long_contexts_are_windows_with_the_answer_in_one_of_them(tmp_path: Path) -> None:
    long = [" ".join(CONTEXTS[i : i + 4]) for i in range(8)]
    dataset = config(tmp_path, path=str(squad(tmp_path, long)), context=48).open()
    pad = dataset.form.tokenizer.special(PAD)
    rows: dict[str, list[bool]] = {}
    for row, item, (first, _) in zip(
        dataset.train_texts, dataset.train.items, dataset.train.labels, strict=True
    ):
        assert dataset.form.tokenizer.decode(item[0]) == row[0]
        assert (item[0] != pad).sum() <= 48
        rows.setdefault(row[2], []).append(first >= 0)
    assert all(any(holds) and not all(holds) for holds in rows.values())
    assert dataset.report["cut"] == {"train": 0, "reference": 0}


def test_another_file_takes_the_place_of_what_is_held_out(tmp_path: Path) -> None:
    own = config(tmp_path, path=str(squad(tmp_path, CONTEXTS)))
    assert isinstance(own, OpensBeside)
    dataset = own.open()
    other = squad(
        tmp_path, ["In 2001 “a new” mill " + "was built " * 9 + ". Nobody knew."], "o.json"
    )
    beside = own.open_beside(str(other), dataset)
    assert beside.train is dataset.train and beside.form is dataset.form
    assert set(spans_as_text(beside, "reference")) == {"2001", "Nobody"}
    assert len(beside.reference) == len(beside.reference_texts) > 2
    assert beside.fingerprint != dataset.fingerprint
    (tmp_path / "empty.json").write_text('{"data": []}')
    with pytest.raises(DataError, match="leaves no questions"):
        own.open_beside(str(tmp_path / "empty.json"), dataset)


def test_special_tokens_in_the_text_are_text(tmp_path: Path) -> None:
    contexts = [f"In 1900 {SEPARATOR} and {PAD} burned {i}. Nobody cared." for i in range(4)]
    dataset = config(tmp_path, path=str(squad(tmp_path, contexts))).open()
    assert (dataset.train.items[:, 0] >= dataset.form.tokenizer.pieces).sum(axis=1).max() < 20
    assert spans_as_text(dataset, "train")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"held_out": 1.0}, "held_out is 1.0; allowed is more than 0"),
        ({"context": 32, "stride": 40}, "stride is 40; allowed is 1 to context 32"),
        ({"stride": 0}, "stride is 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Config(**settings)


def test_made_questions_follow_from_the_seed_and_stand_in_their_contexts() -> None:
    made = make_questions(400, 3)
    assert made == make_questions(400, 3) != make_questions(400, 4)
    assert len(made) == 400 == len({one.id for one in made})
    for one in made:
        ((answer, first),) = one.answers
        assert one.context[first : first + len(answer)] == answer == answer.strip()
        assert one.question.endswith("?") and not one.question[0].islower()
        assert "{" not in one.context + one.question or "{" in answer + one.context
    asked = Counter(one.question.split()[0] for one in made)
    assert {"What", "Who", "When", "How", "Where", "Which", "In"} <= set(asked)
    by_rule = sum("__" in one.context or "Python" in one.context for one in made)
    assert by_rule > 10  # some of the contexts are Python's own prose


def test_a_question_names_what_it_does_not_ask_for_and_nothing_unsaid() -> None:
    dice = Dice(0)
    for _ in range(60):
        paragraph = write_paragraph(dice)
        assert "{" not in paragraph.text
        for asked in paragraph.asked:
            assert paragraph.text[asked.first : asked.after] not in asked.question
            names = [word for word in asked.question[1:].rstrip("?").split() if word[0].isupper()]
            assert all(name.removesuffix("'s") in paragraph.text for name in names), asked


def test_questions_by_rule_leave_out_what_they_ask_for() -> None:
    text = (
        "The careful gardener planted seven old apple trees behind the stone wall in 1893. "
        "The trees were cut because the new owner of the house wanted more light."
    )
    seen = set()
    for seed in range(200):
        for asked in ask_by_rule(text, Dice(seed), 2):
            answer = text[asked.first : asked.after]
            seen.add(answer)
            rest = asked.question.removeprefix(asked.question.split()[0]).lower()
            assert answer.lower() not in rest
    assert {"1893", "careful gardener", "stone wall"} & seen
    assert any(answer.startswith("the new owner") for answer in seen)  # what follows "because"


def test_dice_fall_the_same_on_every_machine() -> None:
    dice = Dice(7)
    assert [dice.number(1, 6) for _ in range(8)] == DRAWN
    assert sorted(Dice(1).some(range(5), 9)) == [0, 1, 2, 3, 4]
    assert np.isclose(np.mean([dice.chance(0.3) for _ in range(4000)]), 0.3, atol=0.03)
