"""Words and their bits add up to the text and to what the model says of it."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import Tokenizer, learn
from noiseloom.errors import InputError
from noiseloom.explain.surprisal import most_surprising, surprises, text_bits
from noiseloom.seeds import Random

TEXT = "To be,  or not to be:\n\nthat is the question.\n Whether 'tis nobler"


class Counting:
    """Says of each token as many nats as its number, and how many it was given, a hundredth each.

    So that bits tell which token they are of, and what of the text was before it.
    """

    is_bound = False

    def score(self, items: np.ndarray, random: Random) -> Tensor:
        given = np.arange(1, items.shape[1]) / 100
        return torch.from_numpy(items[:, 1:] + given).float()


def form_of(tokenizer: Tokenizer, context: int) -> TextForm:
    return TextForm(item_shape=(context + 1,), tokenizer=tokenizer)


@pytest.mark.parametrize("kind", ["characters", "bytes", "bpe"])
def test_words_are_the_text_and_bits_are_those_of_its_tokens(kind: str) -> None:
    tokenizer = learn(kind, [TEXT] * 3, vocabulary=300, at_most=True)
    tokens = tokenizer.encode(TEXT)
    bits = np.random.default_rng(0).random(len(tokens))
    words = surprises(tokenizer, tokens, bits)
    assert "".join(one.word.text for one in words) == TEXT
    assert [one.word.text.strip() for one in words] == TEXT.split()
    assert sum(one.bits for one in words) == pytest.approx(bits.sum(), abs=1e-12)
    for one in words:
        own = bits[one.word.first : one.word.end]
        assert one.bits == pytest.approx(own.sum(), abs=1e-12)


def test_a_special_is_a_word_of_its_own() -> None:
    tokenizer = learn("characters", ["ab "], specials=("<end>",), vocabulary=0)
    end = tokenizer.special("<end>")
    tokens = np.array([*tokenizer.encode("ab"), end, *tokenizer.encode("b a")])
    words = surprises(tokenizer, tokens, np.arange(6.0))
    assert [one.word.text for one in words] == ["ab", "<end>", "b", " a"]
    assert [one.bits for one in words] == [1.0, 2.0, 3.0, 9.0]


@pytest.mark.parametrize("context", [100, 66])
def test_a_text_within_a_window_has_the_bits_of_the_score(context: int) -> None:
    tokenizer = learn("characters", [TEXT], vocabulary=0)
    tokens = tokenizer.encode(TEXT)
    bits = text_bits(Counting(), form_of(tokenizer, context), tokens, seed=0)
    said = Counting().score(tokens[None], Random(0, range(1))).double()
    assert bits[0] == 0
    assert bits.sum() * math.log(2) == pytest.approx(float(said.sum()), rel=1e-12)


@pytest.mark.parametrize("context", [1, 2, 7, 16, 65])
def test_a_longer_text_counts_each_token_once_with_half_a_window_before_it(context: int) -> None:
    tokenizer = learn("characters", [TEXT], vocabulary=0)
    tokens = tokenizer.encode(TEXT)
    bits = text_bits(Counting(), form_of(tokenizer, context), tokens, seed=0)
    nats = bits[1:] * math.log(2)
    assert np.round(nats - 0.3).astype(int).tolist() == tokens[1:].tolist()
    given = np.round((nats - tokens[1:]) * 100).astype(int)
    place = np.arange(1, len(tokens))
    assert (given >= np.minimum(place, max(1, context - context // 2))).all()
    assert (given <= np.minimum(place, context)).all()


def test_one_token_says_nothing() -> None:
    tokenizer = learn("characters", [TEXT], vocabulary=0)
    for text in ("", "T"):
        with pytest.raises(InputError, match="needs two or more"):
            text_bits(Counting(), form_of(tokenizer, 8), tokenizer.encode(text), seed=0)


def test_the_most_surprising_words_are_whole_and_in_order() -> None:
    tokenizer = learn("characters", ["abcdefgh "], vocabulary=0)
    window = tokenizer.encode("hh ab c dd hh")
    bits = np.array([9, 9, 0, 1, 1, 0, 5, 0, 2, 2, 0, 9, 9.0])
    found = most_surprising(tokenizer, window[None], bits[None], most=2, before=4)
    assert [(one.word.text.strip(), one.bits) for one, _ in found] == [("c", 5.0), ("dd", 4.0)]
    assert found[0][1] == "h ab"
