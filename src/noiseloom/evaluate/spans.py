"""Evaluating answers that stand in a context: exact match and F1 by the rule of SQuAD.

Each held-out question is answered once: where its context is read in windows, by the answer that
the model is surest of in any. Beside it stands what the best match of words finds.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.data.questions import answers_of
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate import squad_score
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.longest_match import longest_match
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.resampling import mean_interval
from noiseloom.networks import Answer
from noiseloom.tasks import Finds, Task

BASELINE = "longest match"
AT_ONCE = 64  # rows that the model reads together
ASKING = ["who", "when", "where", "why", "how", "what", "which"]


@dataclass(frozen=True)
class Found:
    """What was answered to a question, how surely, and what people answered."""

    question: str
    answers: Sequence[str]
    text: str
    score: float

    @property
    def exact_match(self) -> float:
        """By SQuAD's rule."""
        return squad_score.exact_match(self.text, self.answers)

    @property
    def f1(self) -> float:
        """By SQuAD's rule."""
        return squad_score.f1(self.text, self.answers)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How answers that stand in a context are measured, on all held-out questions."""

    answers: ClassVar[Answer] = "spans"

    bootstrap: Annotated[int, Ge(20)] = option(1000, "resamples behind each interval")
    examples: Annotated[int, Ge(0)] = option(24, "questions shown with their answers")

    def measure(
        self,
        dataset: Dataset,
        task: Task,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of `task`, which `Finds`, on the held-out questions of `dataset`.

        `protocol` says with which weights, and is returned with how they were measured.
        """
        if not isinstance(task, Finds) or not isinstance(dataset, TextDataset):
            raise InputError(
                "evaluation spans measures answers found in a context, which this task does not "
                "give; use another evaluation"
            )
        began = time.perf_counter()
        rows = _answered(dataset, task, progress)
        seconds = round(time.perf_counter() - began, 2)
        found = _surest(dataset, rows)
        matched = _surest(dataset, _matched(dataset, progress))
        return beside(
            self._figures(found, seed),
            {BASELINE: self._figures(matched, seed)},
            protocol={
                **protocol,
                "questions": len(found),
                "windows": len(rows),
                "training_items": len(dataset.train),
                "rule": "SQuAD 1.1",
                "bootstrap": self.bootstrap,
                "evaluation_seed": seed,
                "seconds_to_answer": seconds,
                "baseline": {
                    "words": "The run of words around which most of the question stands, its rare "
                    "words counting for more; it learns nothing."
                },
                "data": dataset.fingerprint,
            },
            checks={
                "by_question": _by_question(found, matched),
                "sureness": _sureness(found),
                "examples": _examples(found, matched, self.examples),
            },
        )

    def _figures(self, found: Sequence[Found], seed: int) -> Figures:
        values = {
            "exact_match": torch.tensor([one.exact_match for one in found]),
            "f1": torch.tensor([one.f1 for one in found]),
        }
        return Figures(
            {name: float(scores.double().mean()) for name, scores in values.items()},
            {
                name: mean_interval(
                    scores, self.bootstrap, seeds.generator(seed, "evaluate answers")
                )
                for name, scores in values.items()
            },
        )


def _answered(dataset: TextDataset, task: Finds, progress: Progress) -> list[tuple[str, float]]:
    """The answer of each held-out row and its probability; MachineError where it is not finite."""
    items, tokenizer = dataset.reference.items, dataset.text_form.tokenizer
    # rows of like lengths together: the shorter ones are read without the padding of the longer
    order = np.argsort((items[:, 0] < tokenizer.pieces).sum(axis=1), kind="stable")
    answered = [("", 0.0)] * len(items)
    for start in range(0, len(order), AT_ONCE):
        places = order[start : start + AT_ONCE]
        spans, probabilities = task.find(items[places])
        if not bool(probabilities.isfinite().all()):
            raise MachineError(
                "The model answered numbers that are not finite; train again with a lower "
                "training.optimizer.learning_rate, or ask the weights themselves with --raw"
            )
        for place, (first, last), probability in zip(
            places.tolist(), spans.tolist(), probabilities.tolist(), strict=True
        ):
            text = tokenizer.decode(items[place, 0, first : last + 1]).strip()
            answered[place] = (text, probability)
        progress("answering held-out questions", (start + len(places)) / len(order))
    return answered


def _matched(dataset: TextDataset, progress: Progress) -> list[tuple[str, float]]:
    """What the baseline finds in each held-out row, and how much of the question matched."""
    matched = []
    for done, (context, question, *_) in enumerate(dataset.reference_texts):
        best = longest_match(context, question)
        matched.append((best.text, best.score))
        if done % 100 == 0:
            progress("matching words", done / len(dataset.reference_texts))
    return matched


def _surest(dataset: TextDataset, answered: Sequence[tuple[str, float]]) -> list[Found]:
    """One answer for each question: of its windows, which follow one another, the surest."""
    rows = zip(dataset.reference_texts, answered, strict=True)
    found = []
    for _, group in groupby(rows, key=lambda row: row[0][2]):
        windows = list(group)
        text, score = max((answer for _, answer in windows), key=lambda answer: answer[1])
        row = windows[0][0]
        found.append(Found(row[1], answers_of(row), text, score))
    return found


def _by_question(found: Sequence[Found], matched: Sequence[Found]) -> dict[str, dict[str, float]]:
    """F1 by the asking word that stands first in a question, most frequent first."""
    scores = defaultdict(list)
    for one, other in zip(found, matched, strict=True):
        words = [word for word in one.question.lower().split() if word in ASKING]
        scores[words[0] if words else "other"].append((one.f1, other.f1))
    return {
        word: {
            "questions": len(pairs),
            "f1": math.fsum(own for own, _ in pairs) / len(pairs),
            "baseline_f1": math.fsum(plain for _, plain in pairs) / len(pairs),
        }
        for word, pairs in sorted(scores.items(), key=lambda item: -len(item[1]))
    }


def _sureness(found: Sequence[Found]) -> list[dict[str, float]]:
    """How often answers are exact, by how sure the model was: fifths of the questions."""
    ordered = sorted(found, key=lambda one: one.score)
    parts = [part for part in np.array_split(np.arange(len(ordered)), 5) if len(part)]
    return [
        {
            "probability": float(np.mean([ordered[place].score for place in part])),
            "exact_match": float(np.mean([ordered[place].exact_match for place in part])),
        }
        for part in parts
    ]


def _examples(found: Sequence[Found], matched: Sequence[Found], count: int) -> list[dict[str, Any]]:
    """Questions evenly taken from all, with what was answered."""
    places = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [
        {
            "question": found[place].question,
            "answers": list(dict.fromkeys(found[place].answers)),
            "answer": found[place].text,
            "probability": found[place].score,
            "baseline_answer": matched[place].text,
        }
        for place in places.tolist()
    ]
