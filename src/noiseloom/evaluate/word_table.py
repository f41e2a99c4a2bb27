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
ATTACHED_LEFT = set(".,;:!?)]}»”'’%")
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


def learn(sources: Sequence[str], targets: Sequence[str]) -> WordTable:
    """The table of these pairs, from as many of them, evenly taken, as `MOST_LINKS` allow."""
    pairs = [
        (sorted({word.lower() for word in split(source)}), split(target))
        for source, target in zip(sources, targets, strict=True)
    ]
    links = sum(len(source) * len(target) for source, target in pairs)
    pairs = pairs[:: max(1, -(-links // MOST_LINKS))]
    source_words, target_words, of, into, place = _links(pairs)
    pair_of_words, which = np.unique(of * len(target_words) + into, return_inverse=True)
    source_of, target_of = np.divmod(pair_of_words, len(target_words))
    chance = np.ones(len(pair_of_words))
    for _ in range(ROUNDS):
        share = chance[which]
        share /= np.bincount(place, share)[place]  # of each target word, among its source words
        counts = np.bincount(which, share)
        chance = counts / np.bincount(source_of, counts)[source_of]
    best: dict[int, int] = {}
    for link in np.argsort(_times(chance[which], place, which), kind="stable"):  # commonest last
        best[int(source_of[link])] = int(target_of[link])
    table = {source_words[source]: target_words[target] for source, target in best.items()}
    return WordTable(table, len(pairs), ROUNDS)


def _times(chance: np.ndarray, place: np.ndarray, which: np.ndarray) -> np.ndarray:
    """How often each pair of words is linked where each target word is to its likeliest source."""
    first = np.flatnonzero(np.diff(place, prepend=-1))
    most = np.maximum.reduceat(chance, first)[place]
    return np.bincount(which[chance == most], minlength=int(which.max()) + 1)


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


def _links(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> tuple[list[str], list[str], np.ndarray, np.ndarray, np.ndarray]:
    """The words of either side, and each source word beside each target word of its pair.

    The last is the number of the target word among all of them, one after the other.
    """
    source_numbers: dict[str, int] = defaultdict(lambda: len(source_numbers))
    target_numbers: dict[str, int] = defaultdict(lambda: len(target_numbers))
    of, into, place = [], [], []
    done = 0
    for source, target in pairs:
        sources = np.array([source_numbers[word] for word in source])
        targets = np.array([target_numbers[word] for word in target])
        of.append(np.tile(sources, len(targets)))
        into.append(np.repeat(targets, len(sources)))
        place.append(np.repeat(np.arange(done, done + len(targets)), len(sources)))
        done += len(targets)
    parts = (np.concatenate(part) for part in (of, into, place))
    return (list(source_numbers), list(target_numbers), *parts)  # type: ignore[return-value]
