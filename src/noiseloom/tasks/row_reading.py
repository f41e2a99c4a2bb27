"""Rows of text, one or two each, as a network of them sees them."""

import numpy as np
from torch import Tensor, nn

from noiseloom.data.forms import Form, TextForm
from noiseloom.data.tokenizer import PAD
from noiseloom.seeds import Random
from noiseloom.tasks.estimation import Read


def row_form(form: Form, task: str) -> TextForm:
    """The form of rows that it is; ValueError where it is another, for the task of that name."""
    if isinstance(form, TextForm) and form.columns:
        return form
    raise ValueError(f"task {task} reads rows of text: use data table")


def reader(model: nn.Module, form: TextForm) -> Read:
    """What a network says of stored rows, (B, outputs) float32."""

    def read(items: np.ndarray, random: Random | None) -> Tensor:
        tokens = form.to_model(items).to(next(model.parameters()).device)
        is_real = tokens != form.tokenizer.special(PAD)
        numbers: Tensor = model(tokens, is_real, random=random)
        return numbers.float()

    return read
