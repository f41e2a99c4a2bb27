"""Levels of brightness: the nearest is found, and both ends are among them."""

import pytest
import torch

from noiseloom.tasks.brightness import nearest_level, of_level


@pytest.mark.parametrize("levels", [2, 9, 17, 256])
def test_a_pixel_is_at_the_nearest_level(levels: int) -> None:
    every = torch.arange(levels)
    assert torch.equal(nearest_level(of_level(every, levels), levels), every)
    x = torch.linspace(-1.2, 1.2, 101)
    off = (of_level(nearest_level(x, levels), levels) - x.clamp(-1, 1)).abs()
    assert off.max() <= 1 / (levels - 1) + 1e-6
    assert of_level(every, levels)[[0, -1]].tolist() == [-1, 1]
