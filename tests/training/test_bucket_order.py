"""Which items a step trains on, where a batch must be of one bucket."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseloom.training.bucket_order import BucketOrder


def order(counts: list[int], batch_size: int, seed: int = 0) -> BucketOrder:
    ends = np.cumsum([0, *counts]).tolist()
    places = [slice(start, stop) for start, stop in pairwise(ends)]
    return BucketOrder(seed, batch_size, places)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    batch_size=st.integers(1, 40),
    seed=st.integers(0, 3),
)
def test_a_batch_never_mixes_and_every_item_has_its_turn_up_to_a_batch(
    counts: list[int], batch_size: int, seed: int
) -> None:
    one, total = order(counts, batch_size, seed), sum(counts)
    seen = np.zeros(total, dtype=int)
    bucket_of = np.repeat(np.arange(len(counts)), counts)
    for step in range(2 * one.steps):
        batch = one.batch(step)
        assert len(batch) == batch_size and len(set(bucket_of[batch])) == 1
        np.add.at(seen, batch, 1)
        if (step + 1) % one.steps:
            continue
        for bucket, number in enumerate(counts):
            mine = seen[bucket_of == bucket]
            assert mine.max() - mine.min() <= 1  # exact within a bucket, at any step
            fair = (step + 1) * batch_size * number / total
            assert abs(mine.sum() - fair) < batch_size  # and up to a batch among them


def test_at_no_step_a_bucket_waits_for_long() -> None:
    counts, batch_size = [700, 210, 90], 10
    one = order(counts, batch_size)
    shares = np.array(counts) / sum(counts)
    had = np.zeros(3)
    for step in range(3 * one.steps):
        had[int(np.searchsorted(np.cumsum(counts), one.batch(step)[0], side="right"))] += 1
        assert (np.abs(had - (step + 1) * shares) < 2 + 3 * shares).all()


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    one, other = order([50, 33, 7], 8), order([50, 33, 7], 8)
    forwards = [one.batch(step) for step in range(200)]
    backwards = [other.batch(step) for step in reversed(range(200))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    another = order([50, 33, 7], 8, seed=1)
    assert not all(np.array_equal(a, another.batch(step)) for step, a in enumerate(forwards))


@pytest.mark.parametrize("number", [0, 3])
def test_rounds_are_shuffled_anew(number: int) -> None:
    one = order([40, 40], 4)
    assert not np.array_equal(one.round(number), one.round(number + 1))
    assert not np.array_equal(one.batch(0) % 40, one.batch(1) % 40)
