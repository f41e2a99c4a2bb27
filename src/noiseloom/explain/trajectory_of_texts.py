"""Texts as they came out of masks, as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from noiseloom.data.tokenizer import Tokenizer
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.tables import table
from noiseloom.explain.unfolding import (
    Appeared,
    Unfolded,
    after_look,
    order_correlation,
    words_by_look,
)

FRAMES = 24  # looks that one turns through
LISTED = 8  # words that came first, and last


def explain_texts(texts: Sequence[Unfolded], tokenizer: Tokenizer) -> Explanation:
    """What view `trajectory` shows of texts that were written by uncovering masks."""
    words = [words_by_look(text, tokenizer) for text in texts]
    order = order_correlation(texts)
    looks = max(text.looks for text in texts)
    figures: dict[str, Any] = {
        "looks": looks,
        "order_correlation": None if order is None else round(order, 4),
        "texts": [
            {
                "text": "".join(word.text for word in own),
                "words": [[word.text, word.look] for word in own],
            }
            for own in words
        ],
    }
    length = max(len(text.tokens) for text in texts)
    rows = np.full((len(texts), length), -1)
    when = np.full((len(texts), length), -1)
    for place, text in enumerate(texts):
        rows[place, : len(text.tokens)], when[place, : len(text.tokens)] = text.tokens, text.look
    return Explanation(
        title="From masks to text",
        lead=(
            f"{looks} looks at masks, each of which uncovered what the model chose. {_like(order)}"
        ),
        sections=[
            Section("The texts as they grew", _films(texts, tokenizer)),
            Section("When each word appeared", _orders(texts, words)),
        ],
        figures=figures,
        data={
            "tokens": ("text, token: -1 beyond the text's end", rows),
            "appeared_in_look": ("text, token: from 1 on; 0: it was given", when),
        },
    )


def _like(order: float | None) -> str:
    """How tokens appeared, in words."""
    if order is None:
        return "All appeared at once."
    how = "much" if order > 0.5 else "a little" if order > 0.1 else "not"
    return (
        f"Tokens appeared {how} in the order of reading: {order:.2f}, where 1 is from left to "
        "right and 0 no order."
    )


def _films(texts: Sequence[Unfolded], tokenizer: Tokenizer) -> str:
    words = (
        "A hidden token is _. Orange is what has just appeared, blue what was there before, the "
        "stronger the earlier; what was given has no colour."
    )
    films = [parts.text(words)]
    for number, text in enumerate(texts, start=1):
        shown = np.unique(np.linspace(0, text.looks, FRAMES + 1).round().astype(int)).tolist()
        pages, before = [], 0
        for look in shown:
            pieces = after_look(text, tokenizer, look)
            weights = [_weight(text, when, before if look else -1) for _, when in pieces]
            titles = [_told(text, when) for _, when in pieces]
            pages.append(parts.marked([piece for piece, _ in pieces], weights, 1.0, titles))
            before = look
        labels = [f"look {look} of {text.looks}" for look in shown]
        films.append(parts.turned_texts(pages, labels, f"text {number}, as it grew"))
    return "".join(films)


def _weight(text: Unfolded, look: int, before: int) -> float:
    """How a run of tokens is coloured after a look that follows on that of number `before`."""
    if not 0 < look < text.never:
        return 0.0
    return -1.0 if look > before else _earliness(text, look)


def _earliness(text: Unfolded, look: int) -> float:
    """1 for what appeared in the first look, near 0 for the last."""
    return 1 - (look - 1) / text.looks


def _told(text: Unfolded, look: int) -> str:
    if look == 0:
        return "given"
    return "hidden" if look == text.never else f"look {look}"


def _orders(texts: Sequence[Unfolded], words: Sequence[Sequence[Appeared]]) -> str:
    shown = [parts.text("The stronger the blue, the earlier the last token of a word appeared.")]
    for text, own in zip(texts, words, strict=True):
        weights = [_earliness(text, word.look) if word.look else 0.0 for word in own]
        titles = [_told(text, word.look) for word in own]
        shown.append(parts.marked([word.text for word in own], weights, 1.0, titles))
    rows = []
    for number, own in enumerate(words, start=1):
        order = sorted((word for word in own if word.look), key=lambda word: word.look)
        first, last = order[:LISTED], order[-LISTED:]
        rows.append((f"text {number}", _listed(first), _listed(last)))
    heads = ("", "words that appeared first", "words that appeared last")
    return "".join(shown) + table(heads, rows, "The first words and the last")


def _listed(words: Sequence[Appeared]) -> str:
    return ", ".join(f"{word.text.strip() or 'space'} ({word.look})" for word in words)
