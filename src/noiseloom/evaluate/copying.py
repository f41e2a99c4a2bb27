"""How written text differs from real text: repeating itself, saying little, copying.

Each figure means little alone, so the same is asked of held-out text of the same length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WORDS = 4  # in a row: what a text repeats
PAIR = 2  # words in a row: what is different in all texts (Li et al. 2016, arXiv:1510.03055)
GRAM = 20  # characters in a row: what is copied
CHUNK = 1_000_000  # characters of training text searched at once
MOST_SEARCHED = 50_000_000

Shares = tuple[np.ndarray, np.ndarray]
"""Of each text, how many of how many."""


def repeated(texts: Sequence[str]) -> Shares:
    """Four words in a row that the text has had before."""
    grams = [_in_a_row(text.split(), WORDS) for text in texts]
    return (
        np.array([len(one) - len(set(one)) for one in grams]),
        np.array([len(one) for one in grams]),
    )


def distinct_share(texts: Sequence[str]) -> float:
    """Different pairs of words in a row over all pairs, of all texts together."""
    pairs = [pair for text in texts for pair in _in_a_row(text.split(), PAIR)]
    return len(set(pairs)) / max(1, len(pairs))


def copied(texts: Sequence[str], source: str) -> Shares:
    """Twenty characters in a row that stand in `source`."""
    grams = [gram_hashes(text) for text in texts]
    asked = np.unique(np.concatenate([*grams, np.empty(0, np.uint64)]))
    seen = np.zeros(len(asked), bool)
    for start in range(0, min(len(source), MOST_SEARCHED), CHUNK):
        there = gram_hashes(source[start : start + CHUNK + GRAM - 1])
        if len(asked) and len(there):
            places = np.minimum(np.searchsorted(asked, there), len(asked) - 1)
            seen[places[asked[places] == there]] = True
    found = [int(seen[np.searchsorted(asked, one)].sum()) for one in grams]
    return np.array(found), np.array([len(one) for one in grams])


def _in_a_row(words: Sequence[str], number: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + number]) for at in range(len(words) - number + 1)]


def gram_hashes(text: str) -> np.ndarray:
    """A number for every twenty characters in a row, uint64: a polynomial of scattered codes."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    if len(codes) < GRAM:
        return np.empty(0, np.uint64)
    with np.errstate(over="ignore"):  # modulo 2 to the 64
        codes = (codes + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        codes = (codes ^ (codes >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        codes ^= codes >> np.uint64(32)
        count = len(codes) - GRAM + 1
        total = np.zeros(count, np.uint64)
        for place in range(GRAM):
            total = total * np.uint64(0x100000001B3) + codes[place : place + count]
    return total
