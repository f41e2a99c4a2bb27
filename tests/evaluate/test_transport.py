import math

import pytest
import torch

from noiseloom.evaluate.transport import sliced_wasserstein


def test_a_shift_costs_its_mean_projection():
    x = torch.randn(700, 2, generator=torch.Generator().manual_seed(0))
    moved = x + torch.tensor([3.0, 4.0])
    assert sliced_wasserstein(x, moved) == pytest.approx(5 * 2 / math.pi, rel=2e-3)
    assert sliced_wasserstein(x, x) == 0


def test_counts_may_differ():
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    assert sliced_wasserstein(x, x[::2]) < 0.05
