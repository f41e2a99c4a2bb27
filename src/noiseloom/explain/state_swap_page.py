"""Which state of a text that is read carries what differs from another, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import PAD
from noiseloom.errors import InputError
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import blocks_of, network_of
from noiseloom.explain.read_texts import ReadText, answers, language_model, piece, read_text
from noiseloom.explain.state_swap import Answer, traced
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, counted, table
from noiseloom.tasks import Predicts


@dataclass(frozen=True)
class Reads:
    """Two texts that a network answers: their tokens in words, and what may be answered."""

    base: Answer
    other: Answer
    pieces: tuple[list[str], list[str]]
    names: Sequence[str]


def explain_states(subject: Subject) -> Explanation:
    """What view `patching` shows of a run that answers a text: the inputs are two.

    Raises InputError where these are not as long as each other, or answered the same.
    """
    reads = _two_texts(subject)
    lengths = [len(pieces) for pieces in reads.pieces]
    if lengths[0] != lengths[1]:
        raise InputError(
            f"The texts are {lengths[0]} and {lengths[1]} tokens long, and states are "
            "exchanged place by place; give two as long as each other"
        )
    layers = blocks_of(network_of(subject.task))
    try:
        found = traced(layers, reads.base, reads.other, range(lengths[0]))
    except ValueError as error:
        raise InputError(f"{error}; give two texts that lead to different answers") from error
    effect = found.effect.numpy()
    probability = found.exchanged[..., found.told].exp().numpy()
    told = reads.names[found.told]
    start, end = (float(logs[found.told].exp()) for logs in (found.base, found.other))
    return Explanation(
        title="Which state carries the difference",
        lead=(
            f"'{told}' has a probability of {start:.3g} after the first text and {end:.3g} "
            "after the second. Each state of the second is put into the first's run."
        ),
        sections=[
            Section(
                "Place by place, block by block",
                _states_table(effect, probability, reads.pieces, told),
            ),
        ],
        protocol={"texts": list(subject.inputs), "answer": told},
        figures={
            "probability_first": start,
            "probability_second": end,
            "strongest_before_the_last_place": _strongest(effect[:, :-1]),
        },
        data={
            "effect": ("block; place: the share of the way in log-probability", effect),
            "probability": ("block; place: of the answer", probability),
        },
    )


def _two_texts(subject: Subject) -> Reads:
    """The inputs as a language model, or a classifier of texts, reads them."""
    task, form = subject.task, subject.task.form
    assert isinstance(form, TextForm)
    tokenizer = form.tokenizer
    if (model := language_model(task)) is not None:
        first, second = (read_text(task, text) for text in subject.inputs)
        names = [piece(tokenizer, token) for token in range(tokenizer.vocabulary)]

        def answer(text: ReadText) -> Answer:
            place = text.places[-1] if model.causal else text.places[0]
            return lambda times: answers(model, text.tokens.expand(times, -1), [place])[:, 0]

        return Reads(answer(first), answer(second), (first.pieces, second.pieces), names)
    items = subject.read_inputs().items
    assert isinstance(task, Predicts)  # the view saw to it
    rows = [item[0][item[0] != tokenizer.special(PAD)] for item in items]
    pieces = [[piece(tokenizer, int(token)) for token in row] for row in rows]

    def of(item: np.ndarray) -> Answer:
        return lambda times: task.predict(item[None].repeat(times, axis=0))

    return Reads(of(items[0]), of(items[1]), (pieces[0], pieces[1]), form.class_names)


def _strongest(effect: np.ndarray) -> dict[str, Any] | None:
    """The block and the place of the largest effect; None where there is no place."""
    if not effect.size:
        return None
    block, place = np.unravel_index(int(effect.argmax()), effect.shape)
    strength = round(float(effect[block, place]), 4)
    return {"block": int(block) + 1, "place": int(place), "effect": strength}


def _states_table(
    effect_SP: np.ndarray,
    probability_SP: np.ndarray,
    pieces: tuple[Sequence[str], Sequence[str]],
    told: str,
) -> str:
    rows: list[Sequence[Filled]] = []
    for place, (first, second) in enumerate(zip(*pieces, strict=True)):
        cells = [
            Cell(
                f"{effect:+.2f}",
                float(effect),
                more=f"'{told}' has a probability of {probability:.3g}",
            )
            for effect, probability in zip(
                effect_SP[:, place], probability_SP[:, place], strict=True
            )
        ]
        rows.append((first if first == second else f"{first} / {second}", *cells))
    words = (
        f"A cell is how far the log-probability of '{told}' goes from the first text's to the "
        "second's when the state after that block, at that token, is the second's: 1 is all the "
        "way, below 0 away from it. Where both texts have the same token before they differ, a "
        "causal model has the same state and the effect is 0."
    )
    heads = ["token", *counted("block", len(effect_SP))]
    return parts.text(words) + table(heads, rows, "effect of each state")
