import numpy as np
import torch

from noiseloom.evaluate.agreement import (
    agreement,
    agreement_by_class,
    agreement_interval,
    as_tensor,
)


def test_counts_what_agrees():
    asked, read = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 1, 1, 0])
    assert agreement(read, asked) == 3 / 5
    assert agreement_by_class(read, asked, ("cat", "dog", "owl")) == {"cat": 1 / 2, "dog": 2 / 3}
    low, high = agreement_interval(read, asked)
    assert 0 < low < 3 / 5 < high < 1


def test_labels_become_int64():
    assert as_tensor(np.array([1, 2], dtype=np.uint8)).dtype == torch.int64
