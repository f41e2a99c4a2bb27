"""Read the class of a series."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.classification import Classification, SmoothedLabels
from noiseloom.tasks.series_reading import reader, series_form

WORD = "time-series-classification"


@dataclass(frozen=True, kw_only=True)
class Config(SmoothedLabels):
    """Classification of series by cross entropy."""

    answers: ClassVar[Answer] = "classes"

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
