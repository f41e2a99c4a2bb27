"""Sentences put together into a paragraph, and questions on it whose answers stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from string import Formatter

from noiseloom.data.invented import names, words
from noiseloom.data.invented.dice import Dice
from noiseloom.data.invented.relations import ALSO_NAMED, RELATIONS, Relation

LARGEST = ("largest", "oldest", "second largest", "most important")
THINGS = ("machine", "instrument", "device", "tool")
JOINED = ("In addition, ", "However, ", "At that time, ", "Later, ", "Meanwhile, ", "As a result, ")
FIRST_NAMES = {*words.WOMEN, *words.MEN}
ASKED_OF_A_SENTENCE = 0.6


@dataclass(frozen=True)
class Asked:
    """A question, and where its answer stands in the text that it is asked of: [first, after)."""

    question: str
    first: int
    after: int


@dataclass
class Paragraph:
    """A text as it grows, with what can be asked of it."""

    text: str = ""
    asked: list[Asked] = field(default_factory=list)

    def add(self, sentence: str, asked: Sequence[Asked] = ()) -> None:
        """Append a sentence, with questions on it."""
        if self.text:
            self.text += " "
        start = len(self.text)
        self.text += sentence
        self.asked += [Asked(one.question, start + one.first, start + one.after) for one in asked]


def write_paragraph(dice: Dice) -> Paragraph:
    """A paragraph on one to three subjects, several of a kind more often than not."""
    paragraph = Paragraph()
    kinds = list(RELATIONS)
    kind = "person" if dice.chance(0.35) else dice.pick(kinds)
    relations = RELATIONS[kind]
    shared = dice.pick(relations)  # said of each subject, so that it takes its name to tell them
    for _ in range(dice.number(1, 3)):
        _say_of(paragraph, kind, shared, dice)
        if dice.chance(0.3):
            kind = dice.pick(kinds)
            shared = dice.pick(RELATIONS[kind])
    return paragraph


def _say_of(paragraph: Paragraph, kind: str, shared: Relation, dice: Dice) -> None:
    """A few sentences on one subject."""
    is_woman = dice.chance(0.5)
    drawn = {"person": "woman" if is_woman else "man"}.get(kind, kind)
    subject = names.KINDS[drawn](dice)
    others = dice.some([one for one in RELATIONS[kind] if one is not shared], dice.number(0, 3))
    for place, relation in enumerate([shared, *others] if dice.chance(0.5) else [*others, shared]):
        mention = subject
        if place and kind == "person" and dice.chance(0.6):
            mention = dice.pick(("She" if is_woman else "He", subject.split()[-1]))
        elif place and kind != "person" and dice.chance(0.5):
            mention = dice.pick(ALSO_NAMED[kind])
        paragraph.add(*_say(relation, subject, mention, dice))


def _say(relation: Relation, subject: str, mention: str, dice: Dice) -> tuple[str, Sequence[Asked]]:
    """A sentence about `subject`, called `mention` where it begins with it, and questions."""
    template = dice.pick(relation.says)
    if not template.startswith("{s}"):
        mention = subject
    values = {"largest": dice.pick(LARGEST), "thing": dice.pick(THINGS)}
    for slot in _slots([template, *(q for asks in relation.asks.values() for q in asks)]):
        if slot != "s" and slot not in values:
            values[slot] = names.KINDS[slot.rstrip("2")](dice)
    opening = dice.pick(JOINED) if template.startswith("{s}") and dice.chance(0.08) else ""
    sentence, spans = _filled(template, {**values, "s": mention}, opening)
    asked = []
    said = {"s", "largest", "thing", *spans}
    for slot, ways in relation.asks.items():
        if slot not in spans or (slot == "s" and mention != subject):
            continue
        fitting = [way for way in ways if slot not in _slots([way]) and said >= _slots([way])]
        if fitting and dice.chance(ASKED_OF_A_SENTENCE):
            asked.append(Asked(_question(dice.pick(fitting), values, subject, dice), *spans[slot]))
    return sentence, asked


def _question(template: str, values: Mapping[str, str], subject: str, dice: Dice) -> str:
    """A question with names as people give them: whole, or a person's last name alone."""
    first, _, last = subject.partition(" ")
    if first in FIRST_NAMES and dice.chance(0.35):
        subject = last
    question, _ = _filled(template, {**values, "s": subject}, "")
    return question


def _filled(
    template: str, values: Mapping[str, str], opening: str
) -> tuple[str, dict[str, tuple[int, int]]]:
    """A template with its slots filled, its first letter large, and where each slot stands."""
    text, spans = opening, dict[str, tuple[int, int]]()
    for literal, slot in _pieces(template):
        text += literal
        if slot:
            spans[slot] = (len(text), len(text) + len(values[slot]))
            text += values[slot]
    return text[:1].upper() + text[1:], spans


def _slots(templates: Sequence[str]) -> set[str]:
    return {slot for one in templates for _, slot in _pieces(one) if slot}


@cache
def _pieces(template: str) -> Sequence[tuple[str, str | None]]:
    """What stands before each slot, with the slot's name; None after the last."""
    return [(literal, slot) for literal, slot, _, _ in Formatter().parse(template)]
