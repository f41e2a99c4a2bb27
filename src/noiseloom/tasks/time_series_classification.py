"""Read the class of a series."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.classification import Classification
from noiseloom.tasks.series_reading import reader, series_form

WORD = "time-series-classification"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Classification of series by cross entropy."""

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
        """The task on series of `form`, with a network of the config `network`, newly made.

        Raises ValueError where the data is no series, or its labels are numbers.
        """
        series = series_form(form, WORD)
        if not form.class_names:
            raise ValueError(
                f"task {WORD} tells classes apart, and the labels are numbers. Set "
                "data.labels=classes, or use task time-series-regression"
            )
        model = network.build(form.item_shape, len(form.class_names))
        return Classification(model, form, reader(model, series), self.label_smoothing)
