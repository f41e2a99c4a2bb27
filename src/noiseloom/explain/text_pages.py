"""Sections of a page on how a network looks at the tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from noiseloom.explain import parts
from noiseloom.explain.explanation import Section
from noiseloom.explain.head_figures import NAMES
from noiseloom.explain.tables import Cell, Filled, table
from noiseloom.explain.text_attention import TextAttention, TextLayer

MOST_CELLS = 40  # tokens of a side that a table of words holds; more are drawn without words
SHEET = 640  # screen pixels of the maps of a layer's heads, about


def rollout_told(attention: TextAttention, query: int) -> Section:
    """The text marked by what one token is made of after all layers."""
    row = attention.rollout[query]
    named = attention.queries[query]
    words = (
        f"The darker a token, the more of '{named}' (token {query + 1} of "
        f"{len(attention.queries)}) is made of it after all layers, if only looks carried anything "
        "on."
    )
    sources = [_readable(token) for token in attention.sources]
    return Section(
        "What one token is made of", parts.text(words) + parts.marked(sources, row.tolist())
    )


def layers_told(
    attention: TextAttention, layers: Sequence[int], head: int | None, query: int
) -> Section:
    """The text marked by what one token looks at in each of some layers."""
    which = "the mean of its heads" if head is None else f"its head {head + 1}"
    rows = []
    for number in layers:
        layer = attention.layers[number]
        if layer.queries != attention.queries:  # another text's
            continue
        weights = _weights(layer, head)[query].tolist()
        marked = parts.marked([_readable(token) for token in layer.keys], weights)
        rows.append(f"<h3>{escape(layer.name)}, {which}</h3>{marked}")
    words = f"What '{attention.queries[query]}' looks at in each layer."
    return Section("Layer by layer", parts.text(words) + "".join(rows))


def matrices(attention: TextAttention, layers: Sequence[int], head: int | None) -> Section:
    """Who looks at whom: words by words where there are few, and pictures of all heads."""
    found = []
    for number in layers:
        layer = attention.layers[number]
        if max(len(layer.queries), len(layer.keys)) <= MOST_CELLS:
            which = "mean of its heads" if head is None else f"head {head + 1}"
            title = f"{layer.name}, {which}: a row looks at the columns"
            found.append(_words_by_words(layer, _weights(layer, head), title))
        found.append(_heads(layer))
    words = (
        "A row is a token that looks, a column one that is looked at: much where a cell of the "
        "tables is dark, and where the pictures are light."
    )
    return Section("Who looks at whom", parts.text(words) + "".join(found))


def heads_told(attention: TextAttention) -> Section:
    """The figures of every head."""
    rows: list[list[Filled]] = []
    for layer in attention.layers:
        for head, figures in enumerate(layer.figures.T):
            told = dict(zip(NAMES, figures.tolist(), strict=True))
            is_cross = told["remembered"] > 0
            rows.append(
                [
                    f"{layer.name}, head {head + 1}",
                    told["entropy"],
                    "" if is_cross else told["distance"],
                    "" if is_cross else f"{told['own']:.1%}",
                ]
            )
    words = (
        "Entropy is 0 where a token looks at one other alone; distance is that in tokens between "
        "who looks and what is looked at. Both are means over the tokens of this text."
    )
    heads = ["head", "entropy, nats", "distance, tokens", "at itself"]
    figures_told = table(heads, rows, "what each head looks at, on average")
    return Section("Head by head", parts.text(words) + figures_told)


def _words_by_words(layer: TextLayer, weights: np.ndarray, title: str) -> str:
    """A layer's weights as squares of colour, named by the tokens that look and are looked at."""
    rows: list[Sequence[Filled]] = [
        (token, *(Cell(f"{one:.2f}", one, more=f"{one:.3f}") for one in line))
        for token, line in zip(layer.queries, weights.tolist(), strict=True)
    ]
    return table(["", *layer.keys], rows, title, is_dense=True)


def _heads(layer: TextLayer) -> str:
    """The maps of all heads of a layer, side by side, each on its own scale."""
    wide, high = len(layer.keys) * len(layer.weights), len(layer.queries)
    scale = max(1, min(SHEET // wide, SHEET // 2 // high))
    gap = np.full((len(layer.queries) * scale, 4, 3), 255, dtype=np.uint8)
    row = []
    for weights in layer.weights:
        row += [gap, parts.heat(weights).repeat(scale, axis=0).repeat(scale, axis=1)]
    picture = parts.enlarged(np.concatenate(row[1:], axis=1), 1)
    alt = f"{layer.name}: who looks at whom in each of its {len(layer.weights)} heads"
    return parts.shown(
        picture, alt, f"{layer.name}: its heads from the first, each on its own scale"
    )


def _weights(layer: TextLayer, head: int | None) -> np.ndarray:
    chosen: np.ndarray = layer.weights.mean(axis=0) if head is None else layer.weights[head]
    return chosen


def _readable(token: str) -> str:
    """A token as part of a text that is read."""
    return token.replace("␣", " ").replace("⏎", "⏎\n")
