"""What samples are asked for, in words."""

from __future__ import annotations

import numpy as np

from noiseloom.runs.drawing import class_names
from noiseloom.tasks import Draws


def names_of(task: Draws, labels: np.ndarray | None, num: int) -> list[str]:
    """What each of `num` samples is asked to be; "" where it is asked for nothing."""
    if labels is None:
        return [""] * num
    if labels.ndim == 2:
        assert task.form.captions is not None
        return list(task.form.captions.decode(labels))
    names = class_names(task)
    return [names[int(label)] for label in labels]
