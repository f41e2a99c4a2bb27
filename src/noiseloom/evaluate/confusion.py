"""The confusion matrix: how often items of one class are read as another, and what follows.

A figure that depends on the matrix alone is resampled by drawing the matrix: N items drawn with
replacement fall into its cells by a multinomial distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from noiseloom.evaluate.resampling import Interval, shifted_interval
from noiseloom.media import aside

MOST_NAMED = 40  # classes above which neither names nor counts can be read
INCHES = 0.36  # of a picture's side, a class


def confusion(truth: np.ndarray, read: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes) int64: a row for each true class, a column for each one read."""
    cells = np.bincount(truth.astype(np.int64) * classes + read, minlength=classes**2)
    return cells.reshape(classes, classes)


def macro_f1(counts: np.ndarray) -> float:
    """The mean over classes of F1, the harmonic mean of precision and recall.

    `counts` is one matrix; of classes that neither occur nor are read nothing is known, and they
    are left out.
    """
    return float(_macro_f1(counts[None])[0])


def macro_f1_interval(counts: np.ndarray, replicates: int, random: np.random.Generator) -> Interval:
    """Its bootstrap interval."""
    cells, seen = counts.ravel(), np.flatnonzero(counts)
    n = int(cells.sum())
    drawn = np.zeros((replicates, cells.size), dtype=np.int64)
    drawn[:, seen] = random.multinomial(n, cells[seen] / n, size=replicates)
    values = _macro_f1(drawn.reshape(replicates, *counts.shape))
    low, high = shifted_interval(macro_f1(counts), torch.from_numpy(values))
    return max(0.0, low), min(1.0, high)


def recalls(counts: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """The share of each class's items that are read as it; classes without items are left out."""
    totals = counts.sum(axis=1)
    return {
        name: float(counts[label, label] / totals[label])
        for label, name in enumerate(class_names)
        if totals[label]
    }


def _macro_f1(counts_RCC: np.ndarray) -> np.ndarray:
    """For each of R matrices: F1 = 2 right / (occurring + read)."""
    right = np.diagonal(counts_RCC, axis1=1, axis2=2)
    both = counts_RCC.sum(axis=1) + counts_RCC.sum(axis=2)
    f1 = 2 * right / np.maximum(both, 1)
    return f1.sum(axis=1) / np.maximum((both > 0).sum(axis=1), 1)


def save_picture(counts: np.ndarray, class_names: Sequence[str], path: Path) -> None:
    """The matrix as a PNG: rows are shaded by how often a class is read as each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    classes = len(class_names)
    named = classes <= MOST_NAMED
    side = 1.6 + min(classes, MOST_NAMED) * INCHES
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("read as")
    axes.set_ylabel("is")
    if named:
        axes.set_xticks(range(classes), class_names, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(classes), class_names, fontsize=8)
        for row, column in zip(*np.nonzero(counts), strict=True):
            ink = "white" if shares[row, column] > 0.5 else "black"
            text = f"{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    with aside(path) as temporary:
        canvas.print_figure(temporary, format="png")
