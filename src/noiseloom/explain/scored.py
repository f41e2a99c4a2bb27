"""The one number of an answer that is explained.

Of classes it is the log-odds of one, log p / (1 - p) in nats: a logit alone means nothing, as all
of them may shift together, and a probability hardly moves where the model is sure. Of numbers it is
the number, in the unit of the labels.
Shapes: B inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.errors import InputError
from noiseloom.menu import nearest
from noiseloom.tasks import Estimates, Predicts, Task
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


def scored(task: Task, item_logits: Tensor | None, of: str | None) -> Scored:
    """Of a reader of classes, the class `of` or that of an item's logits (O,); of numbers, these.

    Raises InputError for a class that there is not.
    """
    if isinstance(task, Predicts):
        assert item_logits is not None
        names = task.form.class_names
        number = class_number(names, of) if of is not None else int(item_logits.argmax())
        return Scored(f"log-odds of '{names[number]}'", "nats", lambda out: log_odds(out, number))
    if of is not None:
        raise InputError(f"of is '{of}', and this run reads a number, not classes; leave it out")
    assert isinstance(task, Estimates)  # the view saw to it
    std = task.form.number_std if isinstance(task.form, Numbered) else 1.0
    return Scored("the number", "in the unit of the labels", lambda out: out[:, 0] * std)


def class_number(names: tuple[str, ...], of: str) -> int:
    """The number of a class; InputError with those there are."""
    if of in names:
        return names.index(of)
    close = nearest(of, names)
    raise InputError(
        f"of is '{of}', and the run reads no such class. "
        + (f"Did you mean '{close}'? " if close else "")
        + f"Allowed: {', '.join(names[:30])}{', …' if len(names) > 30 else ''}"
    )
