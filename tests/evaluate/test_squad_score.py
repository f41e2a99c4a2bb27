"""Scores by SQuAD's rule: what its official script answers in known cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseloom.evaluate.squad_score import exact_match, f1, plain


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        ("The Cat", "cat"),
        ("  an   apple\tpie\n", "apple pie"),
        ("U.S.A.", "usa"),
        ("well-known", "wellknown"),
        ("a-b", "ab"),  # punctuation goes first, so this article is none
        ("theory of a thing", "theory of thing"),
        ("“the” end", "“ ” end"),  # other quotation marks than ASCII's stay
        ("$1,000.50", "100050"),
        ("THE", ""),
        ("Ünïcode", "ünïcode"),
    ],
)
def test_answers_are_compared_plain(answer: str, same: str) -> None:
    assert plain(answer) == same


@pytest.mark.parametrize(
    ("answer", "given_answers", "exact", "score"),
    [
        ("Denver Broncos", ["Denver Broncos", "Broncos"], 1, 1),
        ("the Denver Broncos!", ["denver broncos"], 1, 1),
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),
        ("Denver Broncos of 2015", ["Denver Broncos"], 0, 2 / 3),
        ("to be or not to be", ["to be"], 0, 0.5),  # words are counted: 2 of 6, 2 of 2
        ("be be", ["be"], 0, 2 / 3),
        ("Panthers", ["Denver Broncos"], 0, 0),
        ("one two", ["two three four", "one"], 0, 2 / 3),  # the nearest of several counts
        ("", ["Denver"], 0, 0),
        ("the", ["a"], 1, 0),  # both are nothing: the same, and share no word
    ],
)
def test_known_cases(answer: str, given_answers: list[str], exact: int, score: float) -> None:
    assert exact_match(answer, given_answers) == exact
    assert f1(answer, given_answers) == pytest.approx(score)


@given(st.text("ab .", max_size=12), st.text("ab .", max_size=12))
def test_f1_is_symmetric_and_1_for_the_same_words(one: str, other: str) -> None:
    assert f1(one, [other]) == f1(other, [one])
    assert 0 <= f1(one, [other]) <= 1
    if plain(one):
        assert f1(one, [one]) == 1
