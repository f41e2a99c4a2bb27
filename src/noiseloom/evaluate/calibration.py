"""Calibration: whether a classifier is right as often as it is sure.

The expected calibration error (Guo et al. 2017, arXiv:1706.04599, eqs. 2, 3 and 5): items are
sorted by confidence, the probability of the class answered, into M bins of equal width; in each
bin, how far the share of right answers is from the mean confidence; of that the mean over items.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from noiseloom.evaluate.resampling import Interval, shifted_interval


def calibration_error(confidence: Tensor, right: Tensor, bins: int) -> float:
    """The error of answers with a `confidence` (N,) in [0, 1] that are `right` (N,) or not."""
    return _error(_bin(confidence, bins), confidence.double() - right.double(), bins)


def calibration_interval(
    confidence: Tensor, right: Tensor, bins: int, replicates: int, generator: torch.Generator
) -> Interval:
    """Its bootstrap interval: the error of a resample is biased upwards, so that it is moved."""
    n, places = len(confidence), _bin(confidence, bins)
    gaps = confidence.double() - right.double()
    errors = []
    for _ in range(replicates):
        drawn = torch.randint(n, (n,), generator=generator)
        errors.append(_error(places[drawn], gaps[drawn], bins))
    low, high = shifted_interval(
        _error(places, gaps, bins), torch.tensor(errors, dtype=torch.float64)
    )
    return max(0.0, low), min(1.0, high)


def reliability(confidence: Tensor, right: Tensor, bins: int) -> list[dict[str, Any]]:
    """The bins that hold any items: how many, how sure they are, how often they are right."""
    places = _bin(confidence, bins)
    return [
        {
            "items": int((places == place).sum()),
            "confidence": float(confidence[places == place].double().mean()),
            "accuracy": float(right[places == place].double().mean()),
        }
        for place in torch.unique(places).tolist()
    ]


def _bin(confidence: Tensor, bins: int) -> Tensor:
    """Bin m of M holds confidences in ((m - 1) / M, m / M]; the first also 0."""
    return (confidence.double() * bins).ceil().long().clamp(1, bins) - 1


def _error(places: Tensor, gaps: Tensor, bins: int) -> float:
    return float(torch.bincount(places, gaps, minlength=bins).abs().sum() / len(gaps))
