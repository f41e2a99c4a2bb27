"""Series as a network of them sees them."""

import numpy as np
from torch import Tensor, nn

from noiseloom.data.forms import Form, SeriesForm
from noiseloom.seeds import Random
from noiseloom.tasks.estimation import Read


def series_form(form: Form, task: str) -> SeriesForm:
    """The form of series that it is; ValueError where it is another, for the task of that name."""
    if isinstance(form, SeriesForm):
        return form
    raise ValueError(f"task {task} reads series of numbers: use data series")


def reader(model: nn.Module, form: SeriesForm) -> Read:
    """What a network says of stored series, (B, outputs) float32."""

    def read(items: np.ndarray, random: Random | None) -> Tensor:
        x_BSC = form.to_model(items, next(model.parameters()).device)
        numbers: Tensor = model(x_BSC, random)
        return numbers.float()

    return read
