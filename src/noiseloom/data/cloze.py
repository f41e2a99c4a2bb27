"""Questions made by rule from running text: a part of a sentence is asked for with the rest of it.

As in Lewis et al. 2019 (arXiv:1906.04980, section 2.3), without their parser: what is asked for
stands between a word such as "the" or "of" and the next such word or mark, and the words around it
are turned into a question by moving, leaving out and bending some of them. Many of these are bad
English, and all can be answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pydoc_data.topics import topics

from noiseloom.data.invented.dice import Dice
from noiseloom.data.invented.paragraphs import Asked
from noiseloom.data.python_source import python_files


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


FUNCTION_WORDS = _words(
    "a an the this that these those some any each every no all both such its their his her "
    "our your my of in on at by for with from to into onto over under between among through "
    "during after before since until against about as than like without within upon per and "
    "or but nor so if when while where whether because although unless which who whom whose "
    "what how why is are was were be been being am has have had do does did done can could "
    "may might must shall should will would not only also then there here it they he she we "
    "you i one more most other another same very too just even still already never always "
    "often both either neither however therefore thus"
)
LEADING = _words(
    "a an the this these those some any each every no all its their his her our of in on at "
    "by for with from into onto over under between among through during after before since "
    "until against about as than without within upon and or is are was were called has have "
    "had uses use used"
)
PLACES = _words("in on at into onto within inside")
CAUSES = ("because", "in order to", "so that", "due to")
LONGEST_ANSWER, LONGEST_QUESTION = 6, 16
WORD = re.compile(r"\w[\w'’.-]*\w|\w")
SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?![\s\"”’)])[^.!?]*)*[.!?]+[\"”’)]*")
TRIPLE = re.compile(r'^[ \t]*[rR]?"""(.*?)"""', re.DOTALL | re.MULTILINE)
PROSE = re.compile(r"[A-Z“\"'][\w\s,;:'\"“”’()/.*-]+[.!?]")
SHORTEST_PARAGRAPH = 80  # characters


@dataclass(frozen=True)
class Word:
    """A word of a text and where it stands: [first, after)."""

    text: str
    first: int
    after: int

    @property
    def is_function_word(self) -> bool:
        return self.text.lower() in FUNCTION_WORDS


@cache
def python_passages(longest: int) -> Sequence[str]:
    """Running text of Python's own manual and doc strings, in passages of up to `longest` letters.

    Only paragraphs that read as prose: sentences of words, without code or tables.
    """
    texts = [topics[name] for name in sorted(topics)]
    for path in python_files():
        source = path.read_text(encoding="utf-8", errors="replace")
        texts += [found[1] for found in TRIPLE.finditer(source)]
    return tuple(passage for text in texts for passage in _passages(text, longest))


def ask_by_rule(text: str, dice: Dice, most: int) -> list[Asked]:
    """Up to `most` questions on a text, of different sentences."""
    asked = []
    for sentence in dice.some(list(SENTENCE.finditer(text)), most):
        words = [
            Word(one[0], one.start(), one.end())
            for one in WORD.finditer(text, sentence.start(), sentence.end())
        ]
        if 6 <= len(words) <= 50 and (found := _ask(text, words, dice)):
            asked.append(found)
    return asked


def _passages(text: str, longest: int) -> Iterator[str]:
    passage = ""
    for paragraph in re.split(r"\n\s*\n", text):
        plain = " ".join(paragraph.split())
        if len(plain) < SHORTEST_PARAGRAPH or not PROSE.fullmatch(plain):
            continue
        if passage and len(passage) + len(plain) >= longest:
            yield passage
            passage = ""
        if len(plain) < longest:
            passage = f"{passage} {plain}".strip()
    if passage:
        yield passage


def _ask(text: str, words: Sequence[Word], dice: Dice) -> Asked | None:
    """A question on a sentence for one of its parts; None where it has none to ask for."""
    parts = _parts(text, words)
    if not parts:
        return None
    begin, end = dice.pick(parts)
    before, answer, after = words[:begin], words[begin:end], words[end:]
    asks = _asking_word(text, words, begin, end, dice)
    left = [word.text for word in _clause(text, before, answer, from_left=False)]
    right = [word.text for word in _clause(text, answer, after, from_left=True)]
    left, right = left[-LONGEST_QUESTION // 2 :], right[: LONGEST_QUESTION // 2]
    if left and left[-1].lower() in LEADING and dice.chance(0.7):
        left = left[:-1]  # "of the", "in": the asking word stands for them
    left, right = _bent(left, dice), _bent(right, dice)
    if sum(word.lower() not in FUNCTION_WORDS for word in left + right) < 2:
        return None
    if left and left[0].lower() in FUNCTION_WORDS:
        left[0] = left[0].lower()
    if dice.chance(0.15):
        said = [*left, asks.lower(), *right]
    elif not left:
        said = [asks, *right]
    else:
        helps = dice.pick(("is", "are", "does", "did", "do", "was", "can", ""))
        said = [asks, helps, *(right + left if dice.chance(0.2) else left + right)]
    question = " ".join(word for word in said if word)
    return Asked(question[:1].upper() + question[1:] + "?", answer[0].first, answer[-1].after)


def _parts(text: str, words: Sequence[Word]) -> list[tuple[int, int]]:
    """Runs of words [begin, end) that could be an answer."""
    marks = [False, *(bool(_mark(text, one, two)) for one, two in pairwise(words)), True]
    found, begin = [], 0
    while begin < len(words):
        end = begin
        while (
            end < len(words)
            and not words[end].is_function_word
            and (end == begin or not marks[end])
        ):
            end += 1
        led = begin > 0 and (words[begin - 1].text.lower() in LEADING or marks[begin])
        if begin < end <= begin + LONGEST_ANSWER and led:
            found.append((begin, end))
        begin = max(end, begin + 1)
    for cause in CAUSES:  # what follows is asked for whole
        size = len(cause.split())
        for place in range(1, len(words) - size - 1):
            here = " ".join(word.text.lower() for word in words[place : place + size])
            stop = next((i for i in range(place + size, len(words)) if marks[i]), len(words))
            if here == cause and stop - place - size >= 2:
                found.append((place + size, stop))
    return found


def _asking_word(text: str, words: Sequence[Word], begin: int, end: int, dice: Dice) -> str:
    answer = text[words[begin].first : words[end - 1].after]
    led = " ".join(word.text.lower() for word in words[max(0, begin - 3) : begin])
    if led.endswith(CAUSES):
        return dice.pick(("Why", "Why", "For what reason", "What is the reason that"))
    if re.fullmatch(r"(1[0-9]|20)\d\d", answer):
        return dice.pick(("When", "In what year", "What year"))
    if answer[0].isdigit():
        return dice.pick(("How many", "How much", "What number", "What"))
    if led.split()[-1:] and led.split()[-1] in PLACES and dice.chance(0.4):
        return dice.pick(("Where", "In what", "In which", "Where"))
    if answer[0].isupper() and dice.chance(0.3):
        return dice.pick(("Who", "Which"))
    last = words[end - 1].text
    if end - begin > 1 and dice.chance(0.3):
        return dice.pick((f"What {last}", f"Which {last}", f"What kind of {last}"))
    return dice.pick(("What", "What", "What", "Which", "How"))


def _clause(
    text: str, one: Sequence[Word], other: Sequence[Word], *, from_left: bool
) -> list[Word]:
    """The words beside an answer: up to the first mark, or where that leaves few, the second.

    `one` stands before `other`, which is the answer, or after it where `from_left`.
    """
    ordered = list(other) if from_left else [*one][::-1]
    previous = one[-1] if from_left else other[0]
    kept: list[Word] = []
    for word in ordered:
        pair = (previous, word) if from_left else (word, previous)
        if _mark(text, *pair) and len(kept) > 2:
            break
        kept.append(word)
        previous = word
    return kept if from_left else kept[::-1]


def _mark(text: str, one: Word, two: Word) -> str:
    """The marks between two words that follow one another."""
    return text[one.after : two.first].strip()


def _bent(words: Sequence[str], dice: Dice) -> list[str]:
    """Words with some left out, and some without their ending."""
    kept = []
    for word in words:
        if dice.chance(0.25 if word.lower() in FUNCTION_WORDS else 0.12):
            continue
        if len(word) > 4 and dice.chance(0.3):
            word = re.sub(r"(?:ing|ed|es|s|ly)$", "", word)
        kept.append(word)
    return kept
