import pytest
import torch

from noiseloom.evaluate.resampling import (
    bootstrap_counts,
    draws,
    mean_interval,
    share_interval,
    spread,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_resample_has_n():
    counts = bootstrap_counts(20, 50, generator())
    assert counts.shape == (50, 20)
    assert torch.equal(counts.sum(dim=1), torch.full((50,), 20.0).double())
    assert float(counts.mean()) == 1.0


def test_wilson_by_hand():
    assert share_interval(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    low, high = share_interval(1.0, 10)
    assert (low, high) == pytest.approx((0.72246, 1.0), abs=1e-5)


def test_bootstrap_of_a_mean_covers_it():
    inside = 0
    for seed in range(100):
        values = torch.empty(80).exponential_(generator=generator(seed))
        low, high = mean_interval(values, 200, generator(seed + 1000))
        inside += low <= 1 <= high
    assert inside >= 87


def test_draws_are_without_replacement_and_different():
    chosen = draws(50, 20, 3, generator())
    assert [len(set(draw.tolist())) for draw in chosen] == [20, 20, 20]
    assert not torch.equal(chosen[0], chosen[1])


def test_the_whole_pool_is_drawn_once():
    assert [draw.tolist() for draw in draws(4, 4, 7, generator())] == [[0, 1, 2, 3]]


def test_a_draw_larger_than_the_pool_is_refused():
    with pytest.raises(ValueError, match="out of 4"):
        draws(4, 5, 1, generator())


def test_spread_needs_several_draws():
    assert spread([1.0, 2.0]) is None
    low, high = spread([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low + high) / 2 == pytest.approx(3)
    assert high - low == pytest.approx(2 * 1.959964 * 2.5**0.5)
