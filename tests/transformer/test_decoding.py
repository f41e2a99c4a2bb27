import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from noiseloom.seeds import Random
from noiseloom.transformer.decoding import (
    choose,
    distribution,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    repel,
    uniforms,
)

P = torch.tensor([[0.1, 0.4, 0.05, 0.25, 0.2]])


def kept(logits: Tensor) -> list[int]:
    return logits[0].isfinite().nonzero()[:, 0].tolist()


@pytest.mark.parametrize(
    ("k", "left"), [(1, [1]), (2, [1, 3]), (4, [0, 1, 3, 4]), (9, [*range(5)])]
)
def test_top_k_keeps_the_k_largest(k: int, left: list[int]) -> None:
    assert kept(keep_top_k(P.log(), k)) == left


@pytest.mark.parametrize(
    ("p", "left"),
    [(0.01, [1]), (0.39, [1]), (0.6, [1, 3]), (0.84, [1, 3, 4]), (0.99, [*range(5)])],
)
def test_top_p_keeps_the_fewest_that_are_enough(p: float, left: list[int]) -> None:
    assert kept(keep_top_p(P.log(), p)) == left


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.floats(0.01, 1))
def test_top_p_is_the_smallest_set_of_all(weights: list[int], p: float) -> None:
    probabilities = torch.tensor([weights], dtype=torch.float64)
    probabilities /= probabilities.sum()
    left = kept(keep_top_p(probabilities.log(), p))
    enough = [
        size
        for size in range(1, len(weights) + 1)
        for some in itertools.combinations(probabilities[0].tolist(), size)
        if sum(some) >= p - 1e-9
    ]
    assert len(left) == min(enough, default=len(weights))
    assert sum(probabilities[0, left].tolist()) >= min(p, 1) - 1e-9


@pytest.mark.parametrize(("p", "left"), [(0.9, [1]), (0.5, [1, 3, 4]), (0.2, [0, 1, 3, 4])])
def test_min_p_keeps_what_is_likely_beside_the_likeliest(p: float, left: list[int]) -> None:
    assert kept(keep_min_p(P.log(), p)) == left


def test_repetition_is_divided_above_0_and_multiplied_below() -> None:
    logits = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    seen = torch.tensor([[True, True, False, False]])
    assert repel(logits, seen, 4.0).tolist() == [[0.5, -8.0, 2.0, -2.0]]


def test_temperature_is_a_power_of_the_probabilities() -> None:
    expected = P.double() ** 2 / (P.double() ** 2).sum()
    torch.testing.assert_close(distribution(P.log(), temperature=0.5), expected, atol=1e-7, rtol=0)


def test_what_narrows_is_applied_after_the_temperature() -> None:
    flat = distribution(P.log(), temperature=100.0, top_p=0.5)  # nearly even: three are enough
    assert (flat[0] > 0).sum() == 3
    both = distribution(P.log(), top_k=3, min_p=0.6)
    torch.testing.assert_close(both[0, [1, 3]], torch.tensor([0.4, 0.25]).double() / 0.65)
    assert both[0, [0, 2, 4]].tolist() == [0, 0, 0]


def test_each_number_chooses_the_token_that_its_place_falls_in() -> None:
    edges = P[0].double().cumsum(0)
    for u in torch.linspace(0, 0.999, 97, dtype=torch.float64):
        assert int(choose(P.log(), u[None])) == int((edges <= u).sum())


def test_the_highest_number_never_chooses_what_is_ruled_out() -> None:
    last = torch.tensor([1 - 2.0**-48], dtype=torch.float64)
    logits = torch.tensor([[0.0, 1.0, -math.inf, -math.inf]])
    assert int(choose(logits, last)) == 1
    assert int(choose(logits, torch.zeros(1), top_k=1)) == 1


def test_temperature_0_takes_the_likeliest() -> None:
    assert choose(P.log(), torch.tensor([0.99]), temperature=0).tolist() == [1]
    assert choose(P.log(), None).tolist() == [1]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    random = Random(3, range(20_000))
    chosen = choose(P.log().expand(20_000, -1), next(uniforms(random)))
    share = torch.bincount(chosen, minlength=5) / 20_000
    error = (P[0] * (1 - P[0]) / 20_000).sqrt()
    assert ((share - P[0]).abs() < 4 * error).all()


def test_numbers_of_an_item_are_its_own_and_never_end() -> None:
    wide = torch.stack(list(itertools.islice(uniforms(Random(5, range(4))), 300)))
    alone = torch.stack(list(itertools.islice(uniforms(Random(5, [2])), 300)))
    assert torch.equal(wide[:, 2], alone[:, 0])
    assert len(wide.unique()) == wide.numel()
    assert 0 <= float(wide.min()) < float(wide.max()) < 1
