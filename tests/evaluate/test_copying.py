"""Shares of text that repeats, says little, or is copied."""

import numpy as np

from noiseloom.evaluate.copying import GRAM, copied, distinct_share, repeated


def test_what_is_copied_is_counted_to_the_character() -> None:
    source = "The quick brown fox jumps over the lazy dog, says the book." * 3
    texts = [source[5 : 5 + GRAM + 4], "x" * (GRAM + 2), source[:GRAM] + "!", "short"]
    above, below = copied(texts, source)
    np.testing.assert_array_equal(below, [5, 3, 2, 0])
    np.testing.assert_array_equal(above, [5, 0, 1, 0])


def test_a_copy_across_the_parts_that_are_searched_is_found(monkeypatch) -> None:
    monkeypatch.setattr("noiseloom.evaluate.copying.CHUNK", 7)
    source = "".join(map(str, range(100)))
    for start in range(20):
        above, _ = copied([source[start : start + GRAM]], source)
        assert above.tolist() == [1]


def test_the_hashes_agree_with_a_search() -> None:
    chance = np.random.default_rng(0)
    source = "".join(chance.choice(list("aé\U0001f600 "), 4_000))
    text = source[100:160] + "".join(chance.choice(list("aé\U0001f600 "), 200)) + source[900:930]
    grams = [text[at : at + GRAM] for at in range(len(text) - GRAM + 1)]
    above, below = copied([text], source)
    assert above[0] == sum(gram in source for gram in grams)
    assert below[0] == len(grams)


def test_repeating_and_distinct_words() -> None:
    above, below = repeated(["a b c d a b c d", "one two three", "a a a a a a"])
    np.testing.assert_array_equal(below, [5, 0, 3])
    np.testing.assert_array_equal(above, [1, 0, 2])
    assert distinct_share(["a b a b", "b a"]) == 2 / 4
    assert distinct_share(["a"]) == 0
