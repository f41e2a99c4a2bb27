"""Asking a task for the part of a context that answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noiseloom.data.forms import TextForm
from noiseloom.data.rows import tokens_of
from noiseloom.data.windows import windows
from noiseloom.errors import InputError, MachineError
from noiseloom.tasks import Finds

AT_ONCE = 64  # windows that the model reads together


@dataclass(frozen=True)
class Found:
    """An answer: `text` is `context[first:after]`, and `probability` how sure the run is of it."""

    text: str
    first: int
    after: int
    probability: float


def answers_to(task: Finds, asked: Sequence[tuple[str, str]]) -> list[Found]:
    """The answer to each (context, question); of a long context that of its surest window.

    Raises InputError for a context or a question that cannot be read, MachineError where the model
    answers numbers that are not finite.
    """
    form = task.form
    assert isinstance(form, TextForm)  # the task saw to it
    rows, owners, starts = [], [], []
    for number, (context, question) in enumerate(asked):
        _check(form, context, question)
        shown = windows(
            context, form.tokenizer, context=form.context, stride=max(1, form.context // 2)
        )
        rows += [(context[low:high], question) for low, high in shown]
        owners += [number] * len(shown)
        starts += [low for low, _ in shown]
    items = tokens_of(form.tokenizer, rows, form.context)
    best: dict[int, Found] = {}
    for start in range(0, len(items), AT_ONCE):
        part = items[start : start + AT_ONCE]
        spans, probabilities = task.find(part)
        if not bool(probabilities.isfinite().all()):
            raise MachineError(
                "The model answered numbers that are not finite; train again with a lower "
                "training.optimizer.learning_rate, or ask the weights themselves with --raw"
            )
        for place, (span, probability) in enumerate(
            zip(spans.tolist(), probabilities.tolist(), strict=True), start
        ):
            owner = owners[place]
            if owner not in best or probability > best[owner].probability:
                first, after = _characters(form, items[place, 0], *span)
                first, after = first + starts[place], after + starts[place]
                best[owner] = Found(asked[owner][0][first:after], first, after, probability)
    return [best[number] for number in range(len(asked))]


def _check(form: TextForm, context: str, question: str) -> None:
    if not context.strip() or not question.strip():
        what = "context" if not context.strip() else "question"
        raise InputError(f"The {what} is empty; a text and a question on it are needed")
    if (tokens := len(form.tokenizer.encode(question))) > form.context:
        raise InputError(
            f"The question is {tokens:,} tokens long; this run reads questions of up to "
            f"{form.context:,}. Ask a shorter one"
        )


def _characters(form: TextForm, tokens: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """Where the tokens from `first` to `last` stand in their text, without the space around."""
    before, inside = (
        form.tokenizer.decode(part) for part in (tokens[:first], tokens[first : last + 1])
    )
    start = len(before) + len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip())
