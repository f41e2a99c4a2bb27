"""Asking a task which class items are in, in batches, and reading items from image files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.decode import BadImageError, quiet, read_image
from noiseloom.data.forms import Form
from noiseloom.errors import InputError, MachineError
from noiseloom.tasks import Predicts


@dataclass(frozen=True)
class Predictions:
    """What a run reads in items: the probability of each class, float64 (N, classes)."""

    probabilities: np.ndarray
    class_names: tuple[str, ...]

    @property
    def labels(self) -> np.ndarray:
        """The number of the likeliest class of each item, int64."""
        return self.probabilities.argmax(axis=1)

    @property
    def names(self) -> list[str]:
        """The likeliest class of each item."""
        return [self.class_names[label] for label in self.labels]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the likeliest class of each item."""
        return self.probabilities.max(axis=1)


def logits_of(
    task: Predicts,
    items: np.ndarray,
    *,
    batch_size: int = 500,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Logits (N, classes) of stored items; `on_step(done, total)` counts items.

    Raises MachineError where they are not finite.
    """
    parts = []
    for start in range(0, len(items), batch_size):
        parts.append(task.predict(items[start : start + batch_size]))
        on_step(min(start + batch_size, len(items)), len(items))
    logits = torch.cat(parts)
    bad = int((~logits.isfinite()).any(dim=1).sum())
    if bad:
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(logits)} items; "
            "train again with a lower training.optimizer.learning_rate, or ask the weights "
            "themselves with --raw."
        )
    return logits


def predictions_of(task: Predicts, items: np.ndarray) -> Predictions:
    """What a task reads in stored items."""
    probabilities = logits_of(task, items).double().softmax(dim=1).numpy()
    return Predictions(probabilities, task.form.class_names)


def read_items(form: Form, paths: Sequence[str | Path]) -> np.ndarray:
    """Image files as items of `form`: made square and resized as training images are.

    Raises InputError that names the first file that cannot be used.
    """
    if not paths:
        raise InputError("No items were given; name at least one image")
    channels, height, width = form.item_shape
    size = height if height == width else None
    items = []
    for path in map(Path, paths):
        try:
            with quiet():
                pixels = read_image(path, size, channels)
        except BadImageError as error:
            raise InputError(f"{path} cannot be read as an image ({error})") from error
        if pixels.shape[:2] != (height, width):
            raise InputError(
                f"{path} has {pixels.shape[1]} x {pixels.shape[0]} pixels; this run knows images "
                f"of {width} x {height}. Resize it"
            )
        items.append(pixels)
    return np.stack(items)


def check_items(form: Form, items: np.ndarray) -> np.ndarray:
    """`items` as they are; InputError where they are not what `form` describes."""
    channels, height, width = form.item_shape
    allowed = (height, width, channels)
    if not len(items) or items.dtype != np.uint8 or items.shape[1:] != allowed:
        raise InputError(
            f"items of shape {items.shape} and type {items.dtype} were given; this run reads "
            f"images as uint8 arrays of shape (N, {height}, {width}, {channels}), or image files"
        )
    return items
