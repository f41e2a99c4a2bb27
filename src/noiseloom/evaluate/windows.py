"""Windows of text, and the text they were cut from."""

from __future__ import annotations

import numpy as np


def text_of(windows: np.ndarray) -> np.ndarray:
    """The tokens that windows (N, L) were cut from: each as far as the next begins, the last whole.

    How far apart they begin is read off a view of one long text; other windows stand side by side.
    """
    apart = min(windows.strides[0] // windows.itemsize, windows.shape[1])
    return np.concatenate([windows[:-1, :apart].ravel(), windows[-1]])
