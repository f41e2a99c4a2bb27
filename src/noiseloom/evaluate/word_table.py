"""The plain baseline of a translation: each word by itself, by a table learned from the same pairs.

IBM's model 1 (Brown et al. 1993, "The mathematics of statistical machine translation", 4.2): every
target word came of one source word, any as likely as the others; expectation
maximisation finds t(target | source). With these each target word is linked to its likeliest source
word, and a source word is translated as it is linked most often. The table knows nothing of order,
nor of what stands beside a word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 5
MOST_LINKS = 20_000_000  # of a source word and a target word in one pair: seconds, half a GB
WORDS = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
ATTACHED_LEFT = set(".,;:!?)]}»”'’%…")
ATTACHED_RIGHT = set("([{«„")


@dataclass(frozen=True)
class WordTable:
    """The likeliest target word of each source word, in lower case, and what it was learned of."""

    translations: dict[str, str]
    pairs: int
    rounds: int

    def translate(self, text: str) -> str:
        """Word by word; what is not in the table, as a name or a number, stays as it is.

        What began with a capital does so again.
        """
        found = joined([self.translations.get(word.lower(), word) for word in split(text)])
        return found[:1].upper() + found[1:] if text[:1].isupper() else found


@dataclass(frozen=True)
class Links:
    """Every source word of a pair beside every target word of it.

    Link i joins word `source_of[kind[i]]` to `target_of[kind[i]]`; `place[i]` is the number of that
    target word among all there are, one text after the other.
    """

    source_words: list[str]
    target_words: list[str]
    source_of: np.ndarray
    target_of: np.ndarray
    kind: np.ndarray
    place: np.ndarray


def learn(sources: Sequence[str], targets: Sequence[str]) -> WordTable:
    """The table of these pairs, from as many of them, evenly taken, as `MOST_LINKS` allow."""
    pairs = [
        (sorted({word.lower() for word in split(source)}), split(target))
        for source, target in zip(sources, targets, strict=True)
    ]
    number = sum(len(source) * len(target) for source, target in pairs)
    pairs = pairs[:: max(1, -(-number // MOST_LINKS))]
    links = link(pairs)
    best: dict[int, int] = {}
    for kind in np.argsort(_times(links, fit(links, ROUNDS)), kind="stable"):  # commonest last
        best[int(links.source_of[kind])] = int(links.target_of[kind])
    table = {links.source_words[one]: links.target_words[other] for one, other in best.items()}
    return WordTable(table, len(pairs), ROUNDS)


def link(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Links:
    """The links of pairs of words' lists."""
    source_numbers: dict[str, int] = defaultdict(lambda: len(source_numbers))
    target_numbers: dict[str, int] = defaultdict(lambda: len(target_numbers))
    of, into, place, done = [], [], [], 0
    for source, target in pairs:
        sources = np.array([source_numbers[word] for word in source], np.int64)
        targets = np.array([target_numbers[word] for word in target], np.int64)
        of.append(np.tile(sources, len(targets)))
        into.append(np.repeat(targets, len(sources)))
        place.append(np.repeat(np.arange(done, done + len(targets)), len(sources)))
        done += len(targets)
    joint = np.concatenate(of) * len(target_numbers) + np.concatenate(into)
    kinds, kind = np.unique(joint, return_inverse=True)
    source_of, target_of = np.divmod(kinds, len(target_numbers))
    return Links(
        list(source_numbers), list(target_numbers), source_of, target_of, kind,
        np.concatenate(place),
    )  # fmt: skip


def fit(links: Links, rounds: int) -> np.ndarray:
    """t(target | source) of each kind of link after so many rounds, from all alike on."""
    chance = np.ones(len(links.source_of))
    for _ in range(rounds):
        share = chance[links.kind]
        share /= np.bincount(links.place, share)[links.place]  # among its source words
        counts = np.bincount(links.kind, share)
        chance = counts / np.bincount(links.source_of, counts)[links.source_of]
    return chance


def _times(links: Links, chance: np.ndarray) -> np.ndarray:
    """How often each kind of link is the likeliest of its target word."""
    likely = chance[links.kind]
    first = np.flatnonzero(np.diff(links.place, prepend=-1))
    most = np.maximum.reduceat(likely, first)[links.place]
    return np.bincount(links.kind[likely == most], minlength=len(chance))


def split(text: str) -> list[str]:
    """Words and marks."""
    return WORDS.findall(text)


def joined(words: Sequence[str]) -> str:
    """Words and marks as one writes them."""
    text = ""
    for before, word in zip(["", *words], words, strict=False):
        is_attached = not text or word in ATTACHED_LEFT or before in ATTACHED_RIGHT
        text += word if is_attached else f" {word}"
    return text
