"""Samples as pages show them: what each was asked to be, and clips as pictures."""

from __future__ import annotations

import numpy as np

from noiseloom.runs.drawing import class_names
from noiseloom.tasks import Task

MOST_SAMPLES = 64  # that one page shows, and that are drawn together


def names_of(task: Task, labels: np.ndarray | None, num: int) -> list[str]:
    """What each sample is asked to be, in words; "" where it is asked for nothing."""
    if labels is None:
        return [""] * num
    if labels.ndim == 2:
        assert task.form.captions is not None
        return list(task.form.captions.decode(labels))
    names = class_names(task)
    return [names[int(label)] for label in labels]


def lying(items: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) as they are; the frames of clips (N, T, H, W, C) in a row."""
    if items.ndim == 4:
        return items
    num, _, height, _, channels = items.shape
    return items.transpose(0, 2, 1, 3, 4).reshape(num, height, -1, channels)
