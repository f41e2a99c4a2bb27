"""Label agreement: how often a classifier reads the label that was asked for.

Beside it stands how often it reads real held-out images as theirs: a classifier that is wrong on
3 % of real images says nothing about the last 3 % of samples. A model that narrows every class to
its clearest examples agrees more often than real images do, so recall stands beside it too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from noiseloom.evaluate.resampling import Interval, share_interval


def agreement(read: Tensor, asked: Tensor) -> float:
    """The share of samples read (N,) as the label asked for (N,)."""
    return float((read == asked).double().mean())


def agreement_interval(read: Tensor, asked: Tensor) -> Interval:
    """Wilson's interval for it."""
    return share_interval(agreement(read, asked), len(asked))


def agreement_by_class(
    read: Tensor, asked: Tensor, class_names: tuple[str, ...]
) -> dict[str, float]:
    """The same for each class that was asked for."""
    return {
        class_names[label]: agreement(read[asked == label], asked[asked == label])
        for label in torch.unique(asked).tolist()
    }


def as_tensor(labels: np.ndarray) -> Tensor:
    """Stored labels as int64."""
    return torch.from_numpy(np.asarray(labels, dtype=np.int64))
