"""Questions whose answers stand in a context: `data: questions` in a recipe.

A file in SQuAD's JSON, or a folder of them; the questions on some of the contexts are held out, or
those of `validation`. Without a path they are made, from a seed: half of them on paragraphs about
invented people, places and things (`invented`), half by rule from the prose in Python's own manual
and doc strings (`cloze`). A context that is too long for a model is seen in windows that overlap;
in those without the answer there is nothing to be found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.content import Progress, content_hash, source_digest
from noiseloom.data.dataset import TextDataset
from noiseloom.data.made_questions import MAKERS, make_questions
from noiseloom.data.prepared import cache_root
from noiseloom.data.rows import Rows, open_rows, rows_beside
from noiseloom.data.skipped import Skipped
from noiseloom.data.squad import Question, question_files, read_questions
from noiseloom.data.tokenizer import Kind
from noiseloom.errors import DataError

COLUMNS = ("context", "question")
BESIDE = ("id", "answers")
"""What is kept of each question as it is: its id, and its answers as a JSON list."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Questions whose answers stand in a context."""

    path: str | None = option(None, "a SQuAD JSON file or a folder of them; null: made ones")
    validation: str | None = option(None, "a file or folder to hold out instead of a share")
    num: Annotated[int, Ge(20)] = option(24_000, "how many are made where there is no path")
    seed: int = option(0, "what those that are made follow from")
    tokenizer: Kind = option("bpe", "what a token is")
    vocabulary: Annotated[int, Ge(1)] | None = option(
        None, "how many pieces bpe and wordpiece learn; null: as suits the amount of text"
    )
    context: Annotated[int, Ge(8)] = option(256, "tokens of a context read at once")
    stride: int | None = option(
        None, "tokens from one window of a long context to the next; null: half of context"
    )
    held_out: float = option(0.1, "share of the contexts whose questions are held out")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        if self.stride is not None and not 1 <= self.stride <= self.context:
            raise ValueError(
                f"stride is {self.stride}; allowed is 1 to context {self.context}, or null"
            )

    def describe_source(self) -> str:
        """The source in a few words."""
        if self.path is None:
            return f"{self.num:,} made questions"
        return self.path

    def open(self, progress: Progress | None = None) -> TextDataset:
        """Prepare the questions, or find them prepared; DataError where they cannot be used."""
        facts = {"held_out": self.held_out, "validation": self._content(self.validation, progress)}
        if self.path is None:
            facts |= {"num": self.num, "seed": self.seed, "makers": source_digest(MAKERS)}
        else:
            facts |= {"content": self._content(self.path, progress)}
        return open_rows(
            self._read,
            facts={"read": "questions", **facts},
            source=self.describe_source(),
            columns=COLUMNS,
            beside=BESIDE,
            tokenizer=self.tokenizer,
            vocabulary=self.vocabulary,
            context=self.context,
            stride=self.stride or self.context // 2,
            cache=self.cache,
            progress=progress,
        )

    def open_beside(self, path: str, dataset: TextDataset) -> TextDataset:
        """`dataset` with the questions of another file or folder in the place of those held out."""
        skipped = Skipped()
        files = question_files(Path(path).expanduser())
        questions = read_questions(files, skipped)
        if not questions:
            raise DataError(f"{path} leaves no questions to measure on")
        read = Rows(
            train=(),
            reference=[_row(one) for one in questions],
            reference_labels=_spans(questions),
            report={"skipped": skipped.merged({})},
        )
        return rows_beside(dataset, read, stride=self.stride or self.context // 2, source=path)

    def _content(self, path: str | None, progress: Progress | None) -> str | None:
        if path is None:
            return None
        files = question_files(Path(path).expanduser())
        source = hashlib.sha256(f"questions {path}".encode()).hexdigest()[:32]
        memory = cache_root(self.cache) / "seen" / f"{source}.json"
        return content_hash([(str(one), one) for one in files], memory, progress)

    def _read(self) -> Rows:
        skipped = Skipped()
        if self.path is None:
            questions = make_questions(self.num, self.seed)
        else:
            questions = read_questions(question_files(Path(self.path).expanduser()), skipped)
        if self.validation is None:
            train, reference = _divided(questions, self.held_out)
            said = f"the questions on {_contexts(reference):,} contexts, by a hash of them"
        else:
            files = question_files(Path(self.validation).expanduser())
            reference = read_questions(files, skipped)
            contexts = {one.context for one in reference}
            train = [one for one in questions if one.context not in contexts]
            for one in questions:
                if one.context in contexts:
                    skipped.add(f"question {one.id}", "context that is held out, too")
            said = self.validation
        return Rows(
            train=[_row(one) for one in train],
            reference=[_row(one) for one in reference],
            train_labels=_spans(train),
            reference_labels=_spans(reference),
            report={
                "reference": said,
                "questions": {"train": len(train), "reference": len(reference)},
                "skipped": skipped.merged({}),
                "notes": _notes(self.path),
            },
        )


def answers_of(row: Sequence[str]) -> list[str]:
    """The answers that people gave, from a row of texts."""
    answers: list[str] = json.loads(row[-1])
    return answers


def _row(question: Question) -> tuple[str, ...]:
    answers = json.dumps([text for text, _ in question.answers])
    return (question.context, question.question, question.id, answers)


def _spans(questions: Sequence[Question]) -> np.ndarray:
    """Where the first answer of each stands, (N, 2) characters: the first, and after the last."""
    spans = [(first, first + len(text)) for (text, first), *_ in (q.answers for q in questions)]
    return np.array(spans, np.int64).reshape(-1, 2)


def _divided(
    questions: Sequence[Question], held_out: float
) -> tuple[list[Question], list[Question]]:
    """Those to train on and those held out; no context is on both sides."""
    hashes = {one.context: hashlib.sha256(one.context.encode()).hexdigest() for one in questions}
    order = sorted(hashes, key=lambda context: hashes[context])
    held = set(order[: max(1, round(held_out * len(order)))])
    train = [one for one in questions if one.context not in held]
    return train, [one for one in questions if one.context in held]


def _contexts(questions: Sequence[Question]) -> int:
    return len({one.context for one in questions})


def _notes(path: str | None) -> Sequence[str]:
    made = "The questions are made: on invented paragraphs, and by rule from Python's own prose"
    return [made] if path is None else []
