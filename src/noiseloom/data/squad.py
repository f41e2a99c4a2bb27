"""Questions with answers that stand in a context, in SQuAD's JSON (Rajpurkar et al. 2016).

    {"data": [{"paragraphs": [{"context": TEXT, "qas": [
        {"id": ID, "question": TEXT, "answers": [{"text": TEXT, "answer_start": NUMBER}]}]}]}]}

Version 2 adds `is_impossible`: such questions are left out, as are those without an answer that
stands where it is said to. Each is named with its file and its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseloom.data.skipped import Skipped
from noiseloom.errors import DataError


@dataclass(frozen=True)
class Question:
    """A question on a context, and the answers that people gave: what, and where it begins."""

    id: str
    context: str
    question: str
    answers: tuple[tuple[str, int], ...]


def question_files(path: Path) -> list[Path]:
    """The file, or those of a folder whose names end in .json; DataError where there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"There is nothing at {path}; a JSON file in SQuAD's form is needed")
    if found := sorted(one for one in path.rglob("*.json") if one.is_file()):
        return found
    raise DataError(f"{path} holds no file whose name ends in .json")


def read_questions(files: Sequence[Path], skipped: Skipped) -> list[Question]:
    """The questions of all files that can be answered; the others are added to `skipped`."""
    found, ids = [], set[str]()
    for path in files:
        for context, asked in _asked(path):
            identity = str(asked.get("id", ""))
            name = f"{path}, question {identity or repr(asked.get('question'))}"
            answers = _answers(asked, context, name, skipped)
            if not answers:
                continue
            if not identity or identity in ids:
                skipped.add(name, "id that another question has" if identity else "no id")
                continue
            ids.add(identity)
            found.append(Question(identity, context, str(asked["question"]), answers))
    return found


def _asked(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each question as it is written, with its context."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: this is not valid UTF-8. Save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: this is not JSON ({error.msg})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    asked["question"], asked.get("answers", [])  # it must be a mapping with those
                    yield str(paragraph["context"]), asked
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not in SQuAD's form: it lacks {error}. Allowed is "
            '{"data": [{"paragraphs": [{"context": …, "qas": [{"id": …, "question": …, '
            '"answers": [{"text": …, "answer_start": …}]}]}]}]}'
        ) from error


def _answers(
    asked: dict[str, Any], context: str, name: str, skipped: Skipped
) -> tuple[tuple[str, int], ...]:
    """The answers that stand where they are said to; where there is none, why is in `skipped`."""
    if asked.get("is_impossible"):
        skipped.add(name, "no answer in its context (is_impossible)")
        return ()
    good, faults = [], []
    for answer in asked.get("answers") or []:
        text, first = answer.get("text"), answer.get("answer_start")
        if not isinstance(text, str) or not text.strip() or type(first) is not int:
            faults.append(("answer without a text or a place", repr(answer)))
        elif first >= 0 and context[first : first + len(text)] == text:
            good.append((text, first))
        elif text in context:
            stands = f"{text!r} begins at {context.index(text)}, not at {first}"
            faults.append(("answer not at its place", stands))
        else:
            faults.append(("answer not in its context", repr(text)))
    for fault in faults if faults else [("no answer given", "")] * (not good):
        skipped.add(name, *fault)
    return tuple(good)
