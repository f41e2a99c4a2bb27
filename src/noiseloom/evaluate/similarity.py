"""How like an image its reconstruction is, pixel by pixel and window by window.

PSNR is `10 log10(1 / error)` of the mean squared error of values from 0 to 1; SSIM that of Wang et
al. 2004 ("Image quality assessment: from error visibility to structural similarity", eq. 13), over
square windows, as a mean over windows and channels.
Shapes: N images, H and W sides, C channels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from noiseloom.evaluate.features import chunks

WINDOW = 7  # side of a window, or the image's where that is smaller
C1, C2 = 0.01**2, 0.03**2


def squared_errors(images: np.ndarray, others: np.ndarray) -> Tensor:
    """The mean squared error of each pair of uint8 images (N, H, W, C) as values 0 to 1: (N,)."""
    parts = [
        (_unit(one) - _unit(other)).square().flatten(1).mean(1)
        for one, other in zip(chunks(images), chunks(others), strict=True)
    ]
    return torch.cat(parts)


def psnr(error: float) -> float:
    """The peak signal-to-noise ratio of a mean squared error, dB; 100 where they are the same."""
    return -10 * math.log10(max(error, 1e-10))


def similarities(images: np.ndarray, others: np.ndarray) -> Tensor:
    """The structural similarity of each pair of uint8 images (N, H, W, C), (N,) float64."""
    parts = [
        _similarity(_unit(one), _unit(other))
        for one, other in zip(chunks(images), chunks(others), strict=True)
    ]
    return torch.cat(parts)


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    window = min(WINDOW, *x.shape[2:])

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, window, stride=1)

    mean_x, mean_y = mean(x), mean(y)
    unbiased = window**2 / max(1, window**2 - 1)
    variance_x = unbiased * (mean(x * x) - mean_x.square())
    variance_y = unbiased * (mean(y * y) - mean_y.square())
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    scale = (mean_x.square() + mean_y.square() + C1) * (variance_x + variance_y + C2)
    return (likeness / scale).flatten(1).mean(1)


def _unit(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, C) to float64 (N, C, H, W), 0 to 1."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).double() / 255
