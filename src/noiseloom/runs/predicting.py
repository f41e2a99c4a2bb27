"""What a run reads in items: asking its task, in batches, by what the task answers.

A kind of answer is a class here with `words`, a line an item for people, and `records`, the same as
plain values; `answers_of` knows which kind a task gives. `asked` reads the items themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from noiseloom.errors import MachineError
from noiseloom.evaluate.regression import estimates_of
from noiseloom.tasks import Estimates, Predicts, Task

READS = Predicts | Estimates
"""Tasks that read something in items."""


class Answers(Protocol):
    """What is read in each of some items."""

    @property
    def words(self) -> list[str]:
        """A line for each item."""

    @property
    def records(self) -> list[dict[str, Any]]:
        """The same as plain values."""


@dataclass(frozen=True)
class Predictions:
    """What a run reads in items: the probability of each class, float64 (N, classes)."""

    probabilities: np.ndarray
    class_names: tuple[str, ...]

    @property
    def labels(self) -> np.ndarray:
        """The number of the likeliest class of each item, int64."""
        return self.probabilities.argmax(axis=1)

    @property
    def names(self) -> list[str]:
        """The likeliest class of each item."""
        return [self.class_names[label] for label in self.labels]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the likeliest class of each item."""
        return self.probabilities.max(axis=1)

    @property
    def words(self) -> list[str]:
        """The likeliest class of each item, and how sure the run is."""
        pairs = zip(self.names, self.confidence, strict=True)
        return [f"{name} ({confidence:.1%})" for name, confidence in pairs]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The likeliest class of each item, and the probability of every class."""
        rows = zip(self.names, self.probabilities.tolist(), strict=True)
        return [
            {"class": name, "probabilities": dict(zip(self.class_names, row, strict=True))}
            for name, row in rows
        ]


@dataclass(frozen=True)
class Estimated:
    """The number that a run reads in each item, float64 (N,), in the unit of the labels."""

    numbers: np.ndarray

    @property
    def words(self) -> list[str]:
        """The number of each item."""
        return [f"{number:.4g}" for number in self.numbers.tolist()]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The number of each item."""
        return [{"number": number} for number in self.numbers.tolist()]


def answers_of(task: Task, items: np.ndarray) -> Answers:
    """What a task, one of `READS`, answers for stored items."""
    if isinstance(task, Estimates):
        return Estimated(estimates_of(task, items))
    assert isinstance(task, Predicts)  # whoever asks saw to it
    return predictions_of(task, items)


def logits_of(
    task: Predicts,
    items: np.ndarray,
    *,
    batch_size: int = 500,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Logits (N, classes) of stored items; `on_step(done, total)` counts items.

    Raises MachineError where they are not finite.
    """
    parts = []
    for start in range(0, len(items), batch_size):
        parts.append(task.predict(items[start : start + batch_size]))
        on_step(min(start + batch_size, len(items)), len(items))
    logits = torch.cat(parts)
    bad = int((~logits.isfinite()).any(dim=1).sum())
    if bad:
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(logits)} items; "
            "train again with a lower training.optimizer.learning_rate, or ask the weights "
            "themselves with --raw."
        )
    return logits


def predictions_of(task: Predicts, items: np.ndarray) -> Predictions:
    """What a task reads in stored items."""
    probabilities = logits_of(task, items).double().softmax(dim=1).numpy()
    return Predictions(probabilities, task.form.class_names)
