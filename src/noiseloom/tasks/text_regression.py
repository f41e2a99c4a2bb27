"""Read a number in a text, or in a pair of texts: how good it is, how alike they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.estimation import Estimation, check_numbers
from noiseloom.tasks.text_reading import RowReader, rows_form

WORD = "text-regression"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A number read in each text, or pair of texts, by squared error."""

    answers: ClassVar[Answer] = "numbers"

    fold_case: bool = option(
        False, "whether capitals are read as small letters; tokens are to be bytes or characters"
    )

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> Estimation:
        """The task on rows of text, with a network of the config `network`, newly made.

        Raises ValueError where the data is no rows of text, or its labels are classes.
        """
        rows = rows_form(form, WORD)
        check_numbers(form, WORD, "text-classification")
        model = network.build(rows.tokenizer.vocabulary, rows.context, len(rows.columns), 1)
        return Estimation(model, form, RowReader(model, rows, fold_case=self.fold_case))
