"""Read the class of a text, or of a pair of texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.classification import Classification
from noiseloom.tasks.text_reading import reader, rows_form

WORD = "text-classification"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Classification of texts by cross entropy."""

    answers: ClassVar[Answer] = "classes"

    label_smoothing: float = option(
        0.0, "share of each label that is spread evenly over the classes, in training"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; allowed is 0 to below 1")

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> Classification:
        """The task on rows of text, with a network of the config `network`, freshly initialised.

        Raises ValueError where the data is no rows of text, or its labels are numbers.
        """
        rows = rows_form(form, WORD)
        if not rows.class_names:
            raise ValueError(
                f"task {WORD} tells classes apart, and the labels are numbers. Set "
                "data.labels=classes, or use task text-regression"
            )
        vocabulary, columns = rows.tokenizer.vocabulary, len(rows.columns)
        model = network.build(vocabulary, rows.context, columns, len(rows.class_names))
        return Classification(model, rows, reader(model, rows), self.label_smoothing)
