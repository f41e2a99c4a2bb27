"""The one number of an answer that is explained.

Of classes it is the log-odds of one, log p / (1 - p) in nats: a logit alone means nothing, as all
of them may shift together, and a probability hardly moves where the model is sure. Of numbers it is
the number, in the unit of the labels; of an answer found in a text, how likely it is.
Shapes: B inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.forms import Form, TextForm
from noiseloom.errors import InputError
from noiseloom.runs.drawing import class_number
from noiseloom.tasks import Estimates, Finds, Predicts, Task
from noiseloom.tasks.estimation import Numbered


@dataclass(frozen=True)
class Scored:
    """What is explained, in words, with its unit: `score` reads it off outputs, (B, O) to (B,)."""

    name: str
    unit: str
    score: Callable[[Tensor], Tensor]


def log_odds(logits_BO: Tensor, number: int) -> Tensor:
    """Of a class, (B,): its logit against all the others' together."""
    others = torch.ones(logits_BO.shape[1], dtype=torch.bool, device=logits_BO.device)
    others[number] = False
    return logits_BO[:, number] - logits_BO[:, others].logsumexp(dim=1)


def log_span(logits_BO: Tensor, first: int, last: int) -> Tensor:
    """Of an answer that stands from token `first` to `last`, (B,): that it does, in nats.

    The logits are of first tokens and then of last ones, both of the same length.
    """
    begins, ends = logits_BO.unflatten(1, (2, -1)).log_softmax(dim=2).unbind(dim=1)
    return begins[:, first] + ends[:, last]


def scored(task: Task, item: np.ndarray, outputs_O: Tensor, of: str | None) -> Scored:
    """What is explained of an item, as stored, for which the model answers `outputs_O`.

    Of a reader of classes it is the class `of`, or the one it reads; of one that finds answers, the
    one it finds; of numbers, the number. Raises InputError for a class that there is not.
    """
    if isinstance(task, Predicts):
        names = task.form.class_names
        number = class_number(names, of) if of is not None else int(outputs_O.argmax())
        return Scored(f"log-odds of '{names[number]}'", "nats", lambda out: log_odds(out, number))
    if of is not None:
        raise InputError(f"of is '{of}', and this run reads no classes; leave it out")
    if isinstance(task, Finds):
        first, last = task.find(item[None])[0][0].tolist()
        spelt = span_text(task.form, item, first, last)
        return Scored(
            f"log-probability of '{spelt}'", "nats", lambda out: log_span(out, first, last)
        )
    assert isinstance(task, Estimates)  # the view saw to it
    std = task.form.number_std if isinstance(task.form, Numbered) else 1.0
    return Scored("number", "in the unit of the labels", lambda out: out[:, 0] * std)


def span_text(form: Form, item: np.ndarray, first: int, last: int) -> str:
    """The words of an item's context from token `first` to `last`; what is not there is nothing."""
    assert isinstance(form, TextForm)  # only texts have spans
    return form.tokenizer.decode(item[0, first : last + 1]).strip() if first >= 0 else "nothing"
