"""Measurements as the two splits of series, on disk and as windows over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from noiseloom.data.assembly import choose_held_out, hash_of
from noiseloom.data.dataset import Split
from noiseloom.data.measurements import Measurements, filled
from noiseloom.errors import DataError

CHANNEL = "value"  # the only one of a wide table


def build_rows(folder: Path, read: Measurements, held_out: float) -> dict[str, Any]:
    """Write a series for each row, (N, steps, 1), with its label; what there is to say of them."""
    values, gaps = filled(read.values.T)
    items = np.ascontiguousarray(values.T)[..., None]
    labels = read.labels.astype(np.int64 if read.class_names else np.float32)
    hashes = np.array([hash_of(item.tobytes()) for item in items], np.uint64)
    groups = labels if read.class_names else np.zeros(len(items), np.int64)
    held = choose_held_out(hashes, groups, held_out)
    if not held.any() or held.all():
        raise DataError(
            f"The {len(items)} series cannot be divided: at least one must be trained on and a "
            "different one held out. Add rows"
        )
    for name, mine in (("train", ~held), ("reference", held)):
        np.save(folder / f"{name}_items.npy", items[mine])
        np.save(folder / f"{name}_labels.npy", labels[mine])
    return _details(read, (CHANNEL,), items[~held].reshape(-1, 1), gaps)


def build_times(folder: Path, read: Measurements, held_out: float) -> dict[str, Any]:
    """Write the rows of either part of the time, the label as a last column: (T, channels + 1)."""
    values, gaps = filled(read.values)
    empty = [name for name, row in zip(read.columns, values.T, strict=True) if np.isnan(row).any()]
    if empty:
        raise DataError(f"Column '{empty[0]}' holds no value at all; leave it out of data.columns")
    rows = np.column_stack([values, read.labels])
    cut = round(len(rows) * (1 - held_out))
    np.save(folder / "train_items.npy", rows[:cut])
    np.save(folder / "reference_items.npy", rows[cut:])
    return _details(read, read.columns, values[:cut], gaps)


def windows(
    rows: np.ndarray, steps: int, ahead: int, stride: int, has_classes: bool, what: str
) -> Split:
    """Windows (N, steps, channels) of rows as `build_times` writes them, each with its label.

    A view of them, where no label is missing. `what` the rows are for is for the error: DataError
    where there are too few of them.
    """
    enough = len(rows) - (steps - 1 + ahead)
    if enough < 1:
        raise DataError(
            f"{len(rows):,} rows are {what}, and a series with its label takes {steps + ahead:,}"
            ". Set data.steps or data.ahead lower, or give it more rows"
        )
    items = sliding_window_view(rows[:, :-1], steps, axis=0)[:enough:stride].swapaxes(1, 2)
    labels = np.array(rows[steps - 1 + ahead :: stride, -1])
    is_known = np.isfinite(labels)
    if not is_known.any():
        raise DataError(f"No series {what} has a label: the column is empty there")
    if not is_known.all():
        items, labels = items[is_known], labels[is_known]
    return Split(items, labels.astype(np.int64 if has_classes else np.float32))


def check_classes(train: np.ndarray, reference: np.ndarray, names: tuple[str, ...]) -> None:
    """DataError where there is one class only, or a held-out one has nothing to train on."""
    if len(names) < 2:
        raise DataError(
            f"Every label is '{names[0]}', and there is nothing to tell apart. Name another "
            "data.label, or set data.labels=numbers"
        )
    unseen = np.setdiff1d(np.unique(reference), np.unique(train))
    if len(unseen):
        raise DataError(
            f"Label '{names[int(unseen[0])]}' is held out but never trained on. Give it more rows "
            "of it, or another share with data.held_out"
        )


def _details(
    read: Measurements, channels: tuple[str, ...], trained: np.ndarray, gaps: int
) -> dict[str, Any]:
    """What `series` needs to know of the arrays; `trained` (M, channels) are training values."""
    stds = trained.std(axis=0)
    notes = [f"{gaps:,} missing values were filled with the one before"] if gaps else []
    return {
        "class_names": list(read.class_names),
        "label": read.label,
        "channels": list(channels),
        "columns": list(read.columns),
        "means": trained.mean(axis=0).tolist(),
        "stds": np.where(stds > 0, stds, 1.0).tolist(),
        "filled": gaps,
        "skipped": read.skipped.merged({}),
        "notes": notes,
    }
