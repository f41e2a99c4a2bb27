"""Asking a task for the part of a context that answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.data.forms import Form, TextForm
from noiseloom.data.rows import tokens_of
from noiseloom.data.windows import windows
from noiseloom.errors import InputError, MachineError
from noiseloom.runs.asked import check_items
from noiseloom.runs.asked_texts import Asked
from noiseloom.tasks import Finds

AT_ONCE = 64  # windows that the model reads together
AROUND = 40  # characters shown of a context on either side of an answer


@dataclass(frozen=True)
class Found:
    """An answer: `text` is `context[first:after]`, and `probability` how sure the run is of it."""

    text: str
    first: int
    after: int
    probability: float


@dataclass(frozen=True)
class Answered:
    """Answers to questions, in their order, and the contexts they stand in."""

    contexts: Sequence[str]
    found: Sequence[Found]

    @property
    def words(self) -> list[str]:
        """Each answer, how sure the run is, and where it stands."""
        lines = []
        for context, one in zip(self.contexts, self.found, strict=True):
            before = context[max(0, one.first - AROUND) : one.first]
            after = context[one.after : one.after + AROUND]
            around = " ".join(f"…{before}[{one.text}]{after}…".split())
            place = f"characters {one.first:,} to {one.after:,}"
            lines.append(f"{one.text} ({one.probability:.1%}; {place}: {around})")
        return lines

    @property
    def records(self) -> list[dict[str, Any]]:
        """Each answer, where it stands in its context, [first, after), and its probability."""
        return [
            {
                "answer": one.text,
                "first": one.first,
                "after": one.after,
                "probability": one.probability,
            }
            for one in self.found
        ]


def pairs_of(form: Form, asked: Sequence[Asked] | str | Path | np.ndarray) -> list[tuple[str, str]]:
    """The (context, question) pairs that are asked, also from an array of stored items.

    Raises InputError for what is none.
    """
    assert isinstance(form, TextForm)  # the task saw to it
    if isinstance(asked, np.ndarray):
        decode = form.tokenizer.decode
        return [(decode(item[0]), decode(item[1])) for item in check_items(form, asked)]
    pairs = []
    for given in [asked] if isinstance(asked, str | Path) else asked:
        texts = (given,) if isinstance(given, str | Path) else tuple(given)
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            raise InputError(
                f"{given!r} is given; this run answers a question on a context: give it pairs of "
                "these, or --context and --question"
            )
        pairs.append((texts[0], texts[1]))
    return pairs


def answers_to(task: Finds, asked: Sequence[tuple[str, str]]) -> Answered:
    """The answer to each (context, question); of a long context that of its surest window.

    Raises InputError for a context or a question that cannot be read, MachineError where the model
    answers numbers that are not finite.
    """
    if not asked:
        raise InputError("No questions were given; ask at least one")
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
    found = [best[number] for number in range(len(asked))]
    return Answered([context for context, _ in asked], found)


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
