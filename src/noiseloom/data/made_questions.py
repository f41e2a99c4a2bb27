"""Questions made from a seed: what a model of them is trained on where there are no others."""

from __future__ import annotations

from collections.abc import Sequence

from noiseloom.data.cloze import ask_by_rule, python_passages
from noiseloom.data.invented.dice import Dice
from noiseloom.data.invented.paragraphs import Asked, Paragraph, write_paragraph
from noiseloom.data.squad import Question

MAKERS = (
    "data/made_questions",
    "data/cloze",
    "data/invented/dice",
    "data/invented/names",
    "data/invented/relations",
    "data/invented/paragraphs",
)
"""The modules on which it depends what is made."""

LONGEST = 700  # characters of most contexts
OF_A_CONTEXT = 4  # questions at most
LONG, LONGEST_OF_ALL = 0.06, 1800  # share of invented contexts that are longer, up to this
BY_RULE = 0.5  # share of the contexts that are real prose


def make_questions(num: int, seed: int) -> list[Question]:
    """`num` questions, up to four on a context; the same ones for the same seed.

    Those by rule depend on the prose of this version of Python.
    """
    dice = Dice(seed)
    passages = python_passages(LONGEST)
    made: list[Question] = []
    while len(made) < num:
        if passages and dice.chance(BY_RULE):
            text = _passage(passages, dice)
            asked = ask_by_rule(text, dice, OF_A_CONTEXT)
        else:
            paragraph = _invented(dice)
            text, asked = paragraph.text, dice.some(paragraph.asked, OF_A_CONTEXT)
        made += [_question(text, one, f"made-{len(made) + i}") for i, one in enumerate(asked)]
    return made[:num]


def _passage(passages: Sequence[str], dice: Dice) -> str:
    """Real prose: a passage, or a short one after another."""
    text = dice.pick(passages)
    more = dice.pick(passages)
    return f"{text} {more}" if len(text) + len(more) < LONGEST and dice.chance(0.6) else text


def _invented(dice: Dice) -> Paragraph:
    """Invented prose of any length; where it is long, a model sees windows without the answer."""
    longest = LONGEST_OF_ALL if dice.chance(LONG) else LONGEST
    paragraph, wanted = write_paragraph(dice), dice.number(100, longest)
    while len(paragraph.text) < wanted:
        more = write_paragraph(dice)
        if len(paragraph.text) + len(more.text) >= longest:
            break
        paragraph.add(more.text, more.asked)
    return paragraph


def _question(text: str, asked: Asked, identity: str) -> Question:
    answer = text[asked.first : asked.after]
    return Question(identity, text, asked.question, ((answer, asked.first),))
