"""Windows of a long text: all of it, no more tokens than allowed, and the answer in one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.tokenizer import Kind, Tokenizer
from noiseloom.data.windows import NOWHERE, in_windows, windows

PROSE = (
    "Der Fluss, die Brücke — and the river bank: 1,024 boats passed in 1893, “as many as ever”, "
    "said the harbour master of Łódź. Nobody counted the swans. "
) * 6


def tokenizer(kind: Kind) -> Tokenizer:
    return tokenizers.learn(kind, [PROSE], vocabulary=300)


@pytest.mark.parametrize("kind", ["bpe", "bytes", "characters"])
@pytest.mark.parametrize(("context", "stride"), [(40, 20), (25, 25), (64, 5)])
def test_windows_hold_the_whole_text_in_tokens_of_its_own(
    kind: Kind, context: int, stride: int
) -> None:
    own = tokenizer(kind)
    whole = own.encode(PROSE).tolist()
    shown = windows(PROSE, own, context=context, stride=stride)
    assert shown[0][0] == 0 and shown[-1][1] == len(PROSE)
    for low, high in shown:
        tokens = own.encode(PROSE[low:high]).tolist()
        before = len(own.encode(PROSE[:low]))
        assert 0 < len(tokens) <= context
        assert tokens == whole[before : before + len(tokens)]
    for (low, high), (next_low, next_high) in pairwise(shown):
        assert low < next_low <= high < next_high


def test_a_text_that_fits_is_one_window() -> None:
    own = tokenizer("bytes")
    assert windows("short", own, context=5, stride=2) == [(0, 5)]
    assert windows("", own, context=5, stride=2) == [(0, 0)]


def test_a_word_longer_than_a_window_is_taken_apart() -> None:
    own = tokenizer("bytes")
    shown = windows("a " + "b" * 30 + " c", own, context=8, stride=4)
    assert shown[0][0] == 0 and shown[-1][1] == 34
    assert all(high - low <= 8 for low, high in shown)
    assert all(one[1] >= two[0] for one, two in pairwise(shown))


@given(st.text(alphabet="ab é\n.1€", max_size=80), st.integers(4, 12), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_any_text_is_covered(text: str, context: int, stride: int) -> None:
    own = tokenizer("bytes")
    shown = windows(text, own, context=context, stride=min(stride, context))
    seen = {place for low, high in shown for place in range(low, high)}
    assert seen == set(range(len(text)))
    assert all(len(text[low:high].encode()) <= context for low, high in shown)


def test_every_training_answer_is_whole_in_a_window() -> None:
    own = tokenizer("bytes")
    text = " ".join(f"word{i:02}" for i in range(30))
    answers = [(place, place + 20) for place in range(0, len(text) - 20, 7)]
    rows = [(text, f"q{i}", "kept") for i in range(len(answers))]
    spans = np.array(answers)
    how = {"context": 32, "stride": 32}  # no overlap: many answers lie across two windows
    kept, stand = in_windows(rows, spans, own, keep_answers=True, **how)
    found = {row[1] for row, span in zip(kept, stand.tolist(), strict=True) if span[0] >= 0}
    assert found == {row[1] for row in rows}
    for (window, question, _), (first, after) in zip(kept, stand.tolist(), strict=True):
        low, high = answers[int(question[1:])]
        assert (first, after) == NOWHERE or window[first:after] == text[low:high]
    as_read, stand = in_windows(rows, spans, own, keep_answers=False, **how)
    assert len(as_read) == len(rows) * len(windows(text, own, **how))
    assert (stand[:, 0] < 0).sum() > len(rows)
