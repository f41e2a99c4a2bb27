"""Samples as pages show them: clips as pictures."""

from __future__ import annotations

import numpy as np


def lying(items: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) as they are; the frames of clips (N, T, H, W, C) in a row."""
    if items.ndim == 4:
        return items
    num, _, height, _, channels = items.shape
    return items.transpose(0, 2, 1, 3, 4).reshape(num, height, -1, channels)
