"""Items of any form that can be seen, in rows on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from noiseloom import media
from noiseloom.data.forms import Form
from noiseloom.explain import parts

WIDTH = 900  # pixels that a sheet of pictures is brought near to


def sheet(form: Form, rows: Sequence[np.ndarray], width: int = WIDTH) -> Image.Image:
    """Rows of stored items, each of the same number, one below the other.

    Of clips every item is a line of frames; those of one place stand below one another. Points are
    drawn together, a colour for each row.
    """
    if rows[0].ndim == 2:
        numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        together = np.concatenate(rows)
        limit = max(float(np.abs(together).max()) * 1.05, getattr(form, "limit", 0.0))
        return media.scatter(together, numbers, 480, limit)
    if rows[0].ndim == 5:
        clips = [row[place] for place in range(len(rows[0])) for row in rows]
        return parts.tiled([list(frames) for frames in clips], width)
    return parts.tiled([list(row) for row in rows], width)


def called(number: int, name: str) -> str:
    """A sample by its number, counted from 0, and by what it was asked to be, if anything."""
    return f"sample {number + 1}" + (f" ({name})" if name else "")


def lying(items: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) as they are; the frames of clips (N, T, H, W, C) in a row."""
    if items.ndim == 4:
        return items
    num, _, height, _, channels = items.shape
    return items.transpose(0, 2, 1, 3, 4).reshape(num, height, -1, channels)


def middle(items: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) as they are; the middle frame of clips (N, T, H, W, C)."""
    return items if items.ndim == 4 else items[:, items.shape[1] // 2]
