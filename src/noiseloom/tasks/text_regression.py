"""Read a number in a text, or in a pair of texts: how alike they are, how good it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from noiseloom.data.forms import Form, TextForm
from noiseloom.data.tokenizer import PAD
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.tasks import Task
from noiseloom.tasks.estimation import Estimation, check_numbers

WORD = "text-regression"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A number read in each text, or pair of texts, by squared error."""

    answers: ClassVar[Answer] = "numbers"

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> Estimation:
        """The task on rows of text, with a network of the config `network`, freshly initialised.

        Raises ValueError where the data is no rows of text, or its labels are classes.
        """
        if not isinstance(form, TextForm) or not form.columns:
            raise ValueError(f"task {WORD} reads rows of text: use data table")
        check_numbers(form, WORD, "text-classification")
        model = network.build(form.tokenizer.vocabulary, form.context, len(form.columns), 1)

        def read(items: np.ndarray, random: Random | None) -> Tensor:
            tokens = form.to_model(items).to(next(model.parameters()).device)
            is_real = tokens != form.tokenizer.special(PAD)
            numbers: Tensor = model(tokens, is_real, random=random)
            return numbers.float()

        return Estimation(model, form, read)
