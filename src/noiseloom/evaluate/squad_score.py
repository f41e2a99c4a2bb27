"""The score of an answer by the rule of SQuAD 1.1 (Rajpurkar et al. 2016, section 6.1).

An answer and those that people gave are compared without case, punctuation and articles; of several
that people gave, the one that it is nearest to counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
PUNCTUATION = str.maketrans("", "", string.punctuation)


def plain(answer: str) -> str:
    """Lower case, without ASCII punctuation, then without articles, words one space apart."""
    return " ".join(ARTICLES.sub(" ", answer.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, given: Sequence[str]) -> float:
    """1 where the answer is one of those given, else 0."""
    return _best(lambda one: float(plain(answer) == plain(one)), given)


def f1(answer: str, given: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of its words, as a bag; 0 where none is shared."""
    return _best(lambda one: _f1(plain(answer).split(), plain(one).split()), given)


def _f1(words: Sequence[str], wanted: Sequence[str]) -> float:
    shared = (Counter(words) & Counter(wanted)).total()
    return 2 * shared / (len(words) + len(wanted)) if shared else 0.0


def _best(score: Callable[[str], float], given: Sequence[str]) -> float:
    return max(score(one) for one in given)
