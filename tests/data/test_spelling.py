import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseloom.data.spelling import Spelling
from noiseloom.data.tokenizer import END, Bytes, Tokenizer, learn

BYTES = Bytes((END,))


def spelled(text: str, stop: tuple[str, ...] = (), tokenizer: Tokenizer = BYTES) -> list[str]:
    """The text after each token, and after the last."""
    spelling, seen = Spelling(tokenizer, stop), []
    for token in tokenizer.encode(text):
        spelling.add(token)
        seen.append(spelling.text)
        if spelling.is_done:
            return seen
    spelling.close()
    return [*seen, spelling.text]


def test_a_character_appears_when_its_last_byte_does() -> None:
    assert spelled("aé🙂") == ["a", "a", "aé", "aé", "aé", "aé", "aé🙂", "aé🙂"]


def test_half_a_character_at_the_end_is_a_replacement_character() -> None:
    spelling = Spelling(BYTES)
    for byte in "é🙂".encode()[:-1]:
        spelling.add(byte)
    assert spelling.text == "é"
    spelling.close()
    assert spelling.text == "é�"


def test_bytes_that_are_no_character_are_replaced_as_in_the_whole_text() -> None:
    spelling = Spelling(BYTES)
    raw = b"a\xffb\xc3(\xe2\x82"
    for byte in raw:
        spelling.add(byte)
    spelling.close()
    assert spelling.text == raw.decode("utf-8", "replace")


def test_specials_have_no_spelling() -> None:
    spelling = Spelling(BYTES)
    for token in (104, BYTES.special(END), 105):
        spelling.add(token)
    assert spelling.text == "hi"


def test_text_ends_right_before_a_stop_string_and_shows_nothing_of_it() -> None:
    assert spelled("one\n\ntwo", ("\n\n",)) == ["o", "on", "one", "one", "one"]


def test_what_only_began_like_a_stop_string_is_text() -> None:
    assert spelled("xENx", ("END",)) == ["x", "x", "x", "xENx", "xENx"]
    assert spelled("xEN", ("END",))[-1] == "xEN"
    assert spelled("aab", ("ab",)) == ["", "a", "a"]


def test_the_first_stop_string_counts() -> None:
    assert spelled("ab.c!", ("!", "."))[-1] == "ab"


@settings(max_examples=200, deadline=None)
@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_any_stop_cuts_where_it_first_stands(text: str, stop: list[str]) -> None:
    seen = spelled(text, tuple(stop))
    # the first to be complete ends the text
    ended = [one for one in stop if one in text]
    expected = text
    if ended:
        complete = min(text.find(one) + len(one) for one in ended)
        expected = text[: min(text[:complete].find(one) for one in ended if one in text[:complete])]
    assert (seen[-1] if seen else "") == expected
    assert all(after.startswith(before) for before, after in itertools.pairwise(seen))


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_learned_pieces_spell_what_they_were_made_of(kind: str) -> None:
    text = "naïve 🙂 naïve 🙂 tests of tests\r\n"
    tokenizer = learn(kind, [text * 3], vocabulary=520 if kind == "wordpiece" else 270)  # type: ignore[arg-type]
    assert spelled(text, tokenizer=tokenizer)[-1] == text
