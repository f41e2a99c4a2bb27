"""Tokenizers lose no byte of any text, whatever it holds, and know nothing of specials in it."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseloom.data.tokenizer import (
    END,
    KINDS,
    LONGEST_WORD,
    PAD,
    SEPARATOR,
    START,
    Kind,
    Tokenizer,
    learn,
    load,
)
from noiseloom.errors import DataError, InputError

SPECIALS = (PAD, START, END, SEPARATOR)
TEXT = (
    "the quick brown fox jumps over the lazy dog; then the dog naps and the fox runs off.\n"
    "def fox(dog: int) -> int:\r\n    return dog + 1  # naïve café — 日本語 🦊\x00\n"
) * 4
STRANGE = [
    "",
    " ",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪",  # several characters that are one to the eye
    "e\u0301 is not \u00e9",  # NFD and NFC stay apart
    "one\r\ntwo\rthree\n\n\n",
    "a\x00b\x00",
    "\ufeffwith a byte order mark",
    "trailing   \t ",
    "".join(SPECIALS) + "<|endoftext|>[UNK][PAD]##fox Ġ Ā",
    "x" * 5_000,
    "\u2028\u0085\x0b\x1c",
    "\U0010ffff\u200d\u00ad",
]
MADE: dict[Kind, int] = {"bytes": 256, "characters": 0, "bpe": 330, "wordpiece": 580}
EVERY = pytest.mark.parametrize("kind", MADE)
LEARNED = pytest.mark.parametrize("kind", ["bpe", "wordpiece"])


def make(kind: Kind, text: str = TEXT) -> Tokenizer:
    return learn(kind, [text], vocabulary=MADE[kind], specials=SPECIALS)


ONCE = {kind: make(kind, TEXT + "".join(STRANGE)) for kind in MADE}


def check_round_trip(tokenizer: Tokenizer, text: str) -> None:
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.int32
    assert tokenizer.decode_bytes(tokens) == text.encode()
    assert tokenizer.decode(tokens) == text
    assert int(tokenizer.byte_lengths[tokens].sum()) == len(text.encode())
    assert not len(tokens) or 0 <= tokens.min() <= tokens.max() < tokenizer.pieces


@EVERY
@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_strange_text_comes_back_to_the_byte(kind: Kind, text: str) -> None:
    check_round_trip(ONCE[kind], text)


@pytest.mark.parametrize("kind", ["bytes", "bpe", "wordpiece"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back_to_the_byte(kind: Kind, text: str) -> None:
    check_round_trip(ONCE[kind], text)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_characters_are_those_of_the_text_learned_from(text: str) -> None:
    tokenizer = learn("characters", [text], vocabulary=1)
    assert tokenizer.pieces == len(set(text))
    check_round_trip(tokenizer, text)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(content=st.binary(max_size=60))
def test_any_bytes_come_back_from_bytes(content: bytes) -> None:
    tokens = ONCE["bytes"].encode(content.decode("utf-8", "surrogateescape"))
    assert tokens.tolist() == list(content)
    assert ONCE["bytes"].decode_bytes(tokens) == content


@EVERY
def test_many_texts_at_once_are_each_alone(kind: Kind) -> None:
    together = ONCE[kind].encode_all(STRANGE)
    for text, tokens in zip(STRANGE, together, strict=True):
        assert tokens.tolist() == ONCE[kind].encode(text).tolist()


@EVERY
def test_specials_have_numbers_and_no_spelling(kind: Kind) -> None:
    tokenizer = ONCE[kind]
    numbers = [tokenizer.special(name) for name in SPECIALS]
    assert numbers == list(range(tokenizer.pieces, tokenizer.vocabulary))
    assert tokenizer.byte_lengths[numbers].tolist() == [0] * 4
    said = tokenizer.encode("fox")
    assert tokenizer.decode([numbers[0], *said, numbers[2], numbers[0]]) == "fox"


@EVERY
def test_it_is_kept_and_learned_again_as_it_was(kind: Kind, tmp_path: Path) -> None:
    tokenizer = make(kind)
    assert make(kind).to_json() == tokenizer.to_json()
    tokenizer.save(tmp_path)
    again = load(tmp_path)
    assert type(again) is KINDS[kind] and again.specials == SPECIALS
    assert again.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
    assert again.to_json() == tokenizer.to_json()


@LEARNED
def test_what_is_frequent_is_one_piece(kind: Kind) -> None:
    tokenizer = make(kind)
    assert tokenizer.pieces == MADE[kind]
    assert [tokenizer.piece(int(token)) for token in tokenizer.encode(" the fox")] == [
        b" the",
        b" fox",
    ]
    always = 256 if kind == "bpe" else 512  # each byte, and each that continues a word
    different = {tokenizer.piece(token) for token in range(tokenizer.pieces)}
    assert len(different) > 256 + 0.7 * (MADE[kind] - always)


def test_wordpiece_takes_the_longest_piece_that_fits() -> None:
    tokenizer = make("wordpiece")
    for word, begun in ((" foxes", b" fox"), (" dogs", b" dog"), (" then", b" the")):
        found = [tokenizer.piece(int(token)) for token in tokenizer.encode(word)]
        assert found[0] == begun or found == [word.encode()]


@EVERY
@pytest.mark.parametrize("text", ["fox \ud800", "fox \udbffx"], ids=ascii)
def test_half_a_character_is_refused_with_its_place(kind: Kind, text: str) -> None:
    for ask in (ONCE[kind].encode, lambda text: ONCE[kind].encode_all([text])):
        with pytest.raises(InputError, match=r"number 5 of the text"):
            ask(text)
    if kind != "bytes":
        with pytest.raises(InputError, match="half a character"):
            make(kind, TEXT + text)


def test_a_character_that_was_not_learned_is_named() -> None:
    tokenizer = learn("characters", ["abc"], vocabulary=1)
    with pytest.raises(InputError, match=r"'z' \(number 3 of the text\) is not among the 3"):
        tokenizer.encode("abz")
    with pytest.raises(InputError, match="'🦊'"):  # beyond the last that is known
        tokenizer.encode("🦊")


@LEARNED
def test_more_pieces_than_the_text_holds_are_refused(kind: Kind) -> None:
    with pytest.raises(DataError, match=r"holds no more than \d+ different pieces") as caught:
        learn(kind, ["fox fox dog"], vocabulary=700)
    said = str(caught.value)
    vocabulary = int(said.split("data.vocabulary=")[1].split(",")[0])
    assert learn(kind, ["fox fox dog"], vocabulary=vocabulary).pieces == vocabulary
    with pytest.raises(DataError, match=r"Set data\.tokenizer=bytes"):
        learn(kind, ["a"], vocabulary=700)


@pytest.mark.parametrize(("kind", "least"), [("bpe", 257), ("wordpiece", 513)])
def test_fewer_pieces_than_bytes_are_refused(kind: Kind, least: int) -> None:
    with pytest.raises(InputError, match=f"allowed is {least} or more"):
        learn(kind, [TEXT], vocabulary=least - 1)
    assert learn(kind, [TEXT], vocabulary=least).pieces == least


@LEARNED
def test_a_word_without_end_takes_no_longer_than_words(kind: Kind) -> None:
    random = np.random.default_rng(0)
    text = "".join(random.choice(list("acgt"), 50_000))
    began = time.perf_counter()
    tokenizer = learn(kind, [text], vocabulary=MADE[kind])
    tokens = tokenizer.encode(text)
    assert time.perf_counter() - began < 10  # uncut, it takes minutes
    assert tokenizer.decode(tokens) == text
    assert tokenizer.byte_lengths.max() <= LONGEST_WORD
