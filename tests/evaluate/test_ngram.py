"""The n-gram baseline: a distribution, and the one of the paper by hand."""

import itertools
import math

import numpy as np
import pytest

from noiseloom.evaluate import ngram

VOCABULARY = 4
TEXT = np.array([0, 1, 0, 1, 2, 0, 1, 0, 2, 1, 0, 1, 1, 2])


def probabilities(model: ngram.NGram, context: list[int]) -> np.ndarray:
    """Of every token after `context`, which has at least one."""
    windows = np.array([[*context, token] for token in range(model.vocabulary)])
    return np.exp(-model.nats(windows)[:, -1])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_context(order: int) -> None:
    model = ngram.learn(TEXT, VOCABULARY, order)
    for length in (1, 2, 3, 4):
        for context in itertools.product(range(VOCABULARY), repeat=length):
            found = probabilities(model, list(context))
            assert found.sum() == pytest.approx(1, abs=1e-12)
            assert (found > 0).all()  # token 3 too, which never occurs


def test_is_what_the_paper_says_by_hand() -> None:
    """Bigrams of 0 1 0 0 2, too few for discounts of their own, so that each is 0.75."""
    model = ngram.learn(np.array([0, 1, 0, 0, 2]), 3, 2)
    # different tokens before each, of the bigrams 01, 10, 00, 02: two before 0, one before 1 and 2
    single = [(2 - 0.75) / 4, (1 - 0.75) / 4, (1 - 0.75) / 4]
    single = [one + 3 * 0.75 / 4 / 3 for one in single]
    after_0 = [(1 - 0.75) / 3 + 3 * 0.75 / 3 * one for one in single]
    np.testing.assert_allclose(probabilities(model, [0]), after_0, rtol=1e-12)
    after_1 = [0.25 + 0.75 * single[0], 0.75 * single[1], 0.75 * single[2]]
    np.testing.assert_allclose(probabilities(model, [1]), after_1, rtol=1e-12)
    # nothing follows 2: occurrences decide, of 0 three, of 1 and 2 one each
    occurring = [(3 - 0.75) / 5, (1 - 0.75) / 5, (1 - 0.75) / 5]
    occurring = [one + 3 * 0.75 / 5 / 3 for one in occurring]
    np.testing.assert_allclose(probabilities(model, [2]), occurring, rtol=1e-12)


def test_discounts_are_those_of_the_counts_of_counts() -> None:
    counts = np.array([1] * 40 + [2] * 12 + [3] * 6 + [4] * 3 + [9] * 2)
    share = 40 / (40 + 2 * 12)
    expected = [0, 1 - 2 * share * 12 / 40, 2 - 3 * share * 6 / 12, 3 - 4 * share * 3 / 6]
    np.testing.assert_allclose(ngram.discounts(counts), expected)
    few = ngram.discounts(np.array([1, 1, 5]))
    np.testing.assert_array_equal(few, [0, 0.75, 0.75, 0.75])


def test_a_window_is_told_nothing_of_another() -> None:
    model = ngram.learn(TEXT, VOCABULARY, 3)
    together = model.nats(np.array([[0, 1, 0, 2], [1, 0, 1, 2]]))
    alone = model.nats(np.array([[1, 0, 1, 2]]))
    np.testing.assert_array_equal(together[1], alone[0])


def test_shorter_orders_are_models_of_their_own() -> None:
    windows = np.array([[0, 1, 0, 2], [1, 1, 3, 0]])
    one, two = ngram.learn(TEXT, VOCABULARY, 3).nats_by_order(windows)[:2]
    np.testing.assert_allclose(one, ngram.learn(TEXT, VOCABULARY, 1).nats(windows))
    assert two.shape == (2, 3)


def test_learns_a_rule_of_two_tokens_and_the_order_it_needs() -> None:
    """Each token is the sum of the two before it, or in one of ten cases any."""
    chance = np.random.default_rng(0)
    text = [0, 1]
    while len(text) < 6_000:
        sure = chance.random() < 0.9
        text.append((text[-1] + text[-2]) % 5 if sure else int(chance.integers(5)))
    tokens = np.array(text)
    assert ngram.choose_order(tokens, 5, 6) in (3, 4)
    held_out = tokens[-1_000:].reshape(-1, 50)
    nats = ngram.learn(tokens[:-1_000], 5, 3).nats(held_out)[:, 1:].mean()
    best = -0.92 * math.log(0.92) - 4 * 0.02 * math.log(0.02)
    assert nats == pytest.approx(best, abs=0.06)


def test_too_little_text_is_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens are given; 3 in a row"):
        ngram.learn(np.array([0, 1]), 4, 3)
