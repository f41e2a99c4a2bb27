"""Answers without a model: the part of the context around which most of the question stands.

As the sliding window of Rajpurkar et al. 2016 (section 4, after Richardson et al. 2013), but that
candidates are runs of words between function words, question words and marks, where theirs are the
constituents of a parse.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

from noiseloom.data.cloze import FUNCTION_WORDS

WORD = re.compile(r"\w+(?:[-'’.,]\w+)*%?")
LONGEST = 6  # words of a candidate


@dataclass(frozen=True)
class Match:
    """An answer, and how much of the question stands around it."""

    text: str
    score: float


def longest_match(context: str, question: str) -> Match:
    """The best candidate; of equals the shorter, then the earlier. Empty where there is none.

    A word of the question weighs log(1 + 1 / how often it stands in the context).
    """
    found = list(WORD.finditer(context))
    words = [one[0].lower() for one in found]
    asked = {one[0].lower() for one in WORD.finditer(question)}
    counts = Counter(words)
    weights = [math.log1p(1 / counts[word]) if word in asked else 0.0 for word in words]
    total = [0.0, *accumulate(weights)]
    best, key = Match("", 0.0), (-1.0, 0)
    for begin, end in _candidates(context, found, words, asked):
        size = len(asked) + end - begin
        first = range(max(0, end - size), min(begin, max(0, len(words) - size)) + 1)
        score = max(total[min(one + size, len(words))] - total[one] for one in first)
        if (score, begin - end) > key:
            key = (score, begin - end)
            best = Match(context[found[begin].start() : found[end - 1].end()], score)
    return best


def _candidates(
    context: str, found: list[re.Match[str]], words: list[str], asked: set[str]
) -> list[tuple[int, int]]:
    """Runs of words [begin, end) that are in no question, between marks and function words."""
    runs, begin = [], 0
    for place, word in enumerate(words):
        mark = place and context[found[place - 1].end() : found[place].start()].strip()
        ends = word in asked or word in FUNCTION_WORDS
        if (mark or ends) and begin < place:
            runs.append((begin, place))
        if mark or ends:
            begin = place + ends
    if begin < len(words):
        runs.append((begin, len(words)))
    return [(begin, min(end, begin + LONGEST)) for begin, end in runs]
