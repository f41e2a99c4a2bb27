"""The items that a reader is explained on: those it is given, or held-out ones, right and wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noiseloom.data.dataset import Split
from noiseloom.data.forms import Form
from noiseloom.explain.scored import span_text
from noiseloom.explain.subject import Subject
from noiseloom.runs.predicting import Estimated, Predictions, answers_of
from noiseloom.tasks import Finds, Task

LOOKED_AT, QUESTIONS = 1000, 100  # held-out items that right and wrong ones are chosen from
FARTHEST = 0.9  # share of numbers that are read better than those that count as wrong


@dataclass(frozen=True)
class Chosen:
    """Items as stored, each with what is read in it, in words; and what is to be said of them."""

    items: np.ndarray
    titles: list[str]
    note: str = ""


def given_items(subject: Subject) -> Chosen:
    """Those that are given as inputs (`Subject.read_inputs`)."""
    given = subject.read_inputs()
    titles = [f"Read as {words}" for words in _answers(subject.task, given.items)]
    return Chosen(given.items, titles, given.said)


def held_out_items(task: Task, split: Split, num: int, seed: int) -> Chosen:
    """`num` of `split`: half of them the surest that are read wrongly, if there are so many."""
    most = QUESTIONS if isinstance(task, Finds) else LOOKED_AT
    assert split.labels is not None  # whatever reads is measured on labels
    looked_at = split.evenly(most)
    items, labels = np.asarray(split.items[looked_at]), np.asarray(split.labels[looked_at])
    words, truths, is_wrong, weight = _judged(task, items, labels)
    wrong = np.flatnonzero(is_wrong)
    wrong = wrong[np.argsort(-weight[wrong], kind="stable")][: num // 2]
    right = np.random.default_rng(seed).permutation(np.flatnonzero(~is_wrong))
    chosen = [*right[: num - len(wrong)], *wrong]
    return Chosen(items[chosen], [f"Read as {words[n]}, in truth {truths[n]}" for n in chosen])


def truths_of(form: Form, labels: np.ndarray) -> list[str]:
    """Labels (N,) in words: classes by name, numbers as they are."""
    if form.class_names:
        return [form.class_names[int(label)] for label in labels]
    return [f"{label:.4g}" for label in labels.tolist()]


def _answers(task: Task, items: np.ndarray) -> list[str]:
    if not isinstance(task, Finds):
        return answers_of(task, items).words
    spans, sure = task.find(items)
    return [
        f"'{span_text(task.form, item, *span)}' ({share:.1%})"
        for item, span, share in zip(items, spans.tolist(), sure.tolist(), strict=True)
    ]


def _judged(
    task: Task, items: np.ndarray, labels: np.ndarray
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """What is read in each, what is true, whether that is wrong, and how much it matters."""
    if isinstance(task, Finds):
        spans, sure = task.find(items)
        truths = [
            f"'{span_text(task.form, item, *span)}'"
            for item, span in zip(items, labels.tolist(), strict=True)
        ]
        is_wrong = (spans.numpy() != labels).any(axis=1)
        return _answers(task, items), truths, is_wrong, sure.numpy()
    answers = answers_of(task, items)
    if isinstance(answers, Predictions):
        truths = truths_of(task.form, labels)
        return answers.words, truths, answers.labels != labels, answers.confidence
    assert isinstance(answers, Estimated)
    off = np.abs(answers.numbers - labels)
    return answers.words, truths_of(task.form, labels), off > np.quantile(off, FARTHEST), off
