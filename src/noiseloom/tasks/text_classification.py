"""Read the class of a text, or of a pair of texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.classification import Classification, SmoothedLabels
from noiseloom.tasks.text_reading import RowReader, rows_form

WORD = "text-classification"


@dataclass(frozen=True, kw_only=True)
class Config(SmoothedLabels):
    """Classification of texts by cross entropy."""

    answers: ClassVar[Answer] = "classes"

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
        return Classification(model, rows, RowReader(model, rows), self.label_smoothing)
