"""Read a number in a series: a property of it, or a value yet to come."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.estimation import Estimation, check_numbers
from noiseloom.tasks.series_reading import reader, series_form

WORD = "time-series-regression"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A number read in each series, by squared error."""

    answers: ClassVar[Answer] = "numbers"

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> Estimation:
        """The task on series of `form`, with a network of the config `network`, newly made.

        Raises ValueError where the data is no series, or its labels are classes.
        """
        series = series_form(form, WORD)
        check_numbers(form, WORD, "time-series-classification")
        model = network.build(form.item_shape, 1)
        return Estimation(model, form, reader(model, series))
