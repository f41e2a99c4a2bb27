"""What of SQuAD's JSON can be used, and what is named where it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest

from noiseloom.data.skipped import Skipped
from noiseloom.data.squad import question_files, read_questions
from noiseloom.errors import DataError

CONTEXT = "Ada met Ada in Łódź on 3 May."


def asked(identity: str, *answers: tuple[str, int], **more: Any) -> dict[str, Any]:
    given = [{"text": text, "answer_start": first} for text, first in answers]
    return {"id": identity, "question": f"Who is {identity}?", "answers": given, **more}


def written(folder: Path, *questions: dict[str, Any], name: str = "questions.json") -> Path:
    content = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_all_answers_are_kept_with_their_places(tmp_path: Path) -> None:
    path = written(tmp_path, asked("a", ("Ada", 0), ("Ada", 8)), asked("b", ("Łódź", 15)))
    skipped = Skipped()
    first, second = read_questions([path], skipped)
    assert first.answers == (("Ada", 0), ("Ada", 8))
    assert (second.context, second.question) == (CONTEXT, "Who is b?")
    assert not len(skipped)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (asked("x", is_impossible=True), "no answer in its context (is_impossible)"),
        (asked("x"), "no answer given"),
        (asked("x", ("Ada", 1)), "answer not at its place: 'Ada' begins at 0, not at 1"),
        (asked("x", ("Ada", -3)), "answer not at its place: 'Ada' begins at 0, not at -3"),
        (asked("x", ("Eve", 0)), "answer not in its context: 'Eve'"),
        (asked("x", (" ", 3)), "answer without a text or a place"),
        ({"id": "x", "question": "?", "answers": [{"text": "Ada"}]}, "answer without a text"),
        (asked("good", ("Ada", 0)), "id that another question has"),
        (asked("", ("Ada", 0)), "no id"),
    ],
)
def test_what_cannot_be_used_is_named_and_skipped(
    question: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path, skipped = written(tmp_path, asked("good", ("Ada", 0)), question), Skipped()
    assert [one.id for one in read_questions([path], skipped)] == ["good"]
    (named,) = skipped.files
    assert named["reason"].startswith(reason)
    assert named["file"].startswith(f"{path}, question ")


def test_a_good_answer_beside_a_bad_one_is_used(tmp_path: Path) -> None:
    path, skipped = written(tmp_path, asked("a", ("Eve", 0), ("Ada", 8))), Skipped()
    (question,) = read_questions([path], skipped)
    assert question.answers == (("Ada", 8),)
    assert len(skipped) == 1


def test_a_folder_is_all_its_json_files(tmp_path: Path) -> None:
    written(tmp_path, asked("b", ("Ada", 0)), name="b.json")
    written(tmp_path, asked("a", ("Ada", 0)), name="a.json")
    (tmp_path / "README.md").write_text("not read")
    assert [path.name for path in question_files(tmp_path)] == ["a.json", "b.json"]


def test_no_questions_is_said_of_path_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file whose name ends in .json"):
        question_files(tmp_path)
    with pytest.raises(DataError, match="There is nothing at"):
        question_files(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"data":\n [}', r"bad.json:2: this is not JSON"),
        (b'{"data":\n\n "\xff"}', r"bad.json:3: this is not valid UTF-8"),
        (b'{"rows": []}', r"bad.json is not in SQuAD's form: it lacks 'data'"),
        (b'{"data": [{"paragraphs": [{"qas": [{"id": "a"}]}]}]}', "it lacks 'question'"),
        (b'{"data": [1]}', "not in SQuAD's form"),
    ],
)
def test_a_file_that_is_something_else_is_named_with_its_line(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_questions([path], Skipped())
