"""Which items a step trains on, where items are of like length."""

import numpy as np
import pytest

from noiseloom.training.order import POOL, Order

LENGTHS = np.random.default_rng(0).geometric(0.1, 1003)


def order(batch_size: int = 8, **given) -> Order:
    return Order(
        **{"seed": 0, "num_items": len(LENGTHS), "lengths": LENGTHS, **given}, batch_size=batch_size
    )


@pytest.mark.parametrize("batch_size", [8, 64, 1003, 1500])
def test_every_epoch_still_sees_every_item_once(batch_size: int) -> None:
    steps = 3 * len(LENGTHS) // batch_size + 1
    seen = np.concatenate([order(batch_size).batch(step) for step in range(steps)])
    for epoch in range(3):
        mine = seen[epoch * len(LENGTHS) : (epoch + 1) * len(LENGTHS)]
        assert sorted(mine) == list(range(len(LENGTHS)))


def test_items_of_a_batch_are_of_like_length_in_every_epoch() -> None:
    """Also in those that begin in the midst of a batch: 1003 is no multiple of 8."""
    plain, grouped = order(lengths=None), order()
    for epoch in range(3):
        first = -(-epoch * len(LENGTHS) // 8)
        steps = range(first, (epoch + 1) * len(LENGTHS) // 8)
        padded = [
            sum(LENGTHS[one.batch(step)].max() for step in steps) * 8 / LENGTHS.sum()
            for one in (plain, grouped)
        ]
        assert padded[0] > 1.9
        assert padded[1] < 1.15


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    one, other = order(), order()
    forwards = [one.batch(step) for step in range(400)]
    backwards = [other.batch(step) for step in reversed(range(400))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not np.array_equal(forwards[3], order(seed=1).batch(3))


def test_long_and_short_batches_take_turns() -> None:
    longest = [LENGTHS[order().batch(step)].max() for step in range(125)]
    rises = np.diff(longest) > 0
    assert 0.3 < rises.mean() < 0.7  # sorted, nearly all of them would
    assert len(LENGTHS) > POOL * 8  # more than one pool was sorted


def test_without_lengths_the_order_is_as_it_was() -> None:
    whole = np.concatenate([order(lengths=None).batch(step) for step in range(126)])
    assert np.array_equal(whole[:1003], order(lengths=None).epoch(0))
    assert np.array_equal(order(1003, lengths=None).batch(2), order(lengths=None).epoch(2))
