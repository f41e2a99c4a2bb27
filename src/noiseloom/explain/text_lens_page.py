"""What each block of a language model has come to at the places of texts, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from noiseloom.data.forms import TextForm
from noiseloom.explain import parts
from noiseloom.explain.depth_lens import Decoded, at_each_stage, decoded
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import Layer
from noiseloom.explain.lens_stages import AXIS, TITLE, stage_figures, stage_names
from noiseloom.explain.read_texts import (
    ReadText,
    answers,
    held_out_text,
    language_model,
    piece,
    read_text,
)
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, table
from noiseloom.explain.text_title import title_of
from noiseloom.networks.language_model import LanguageModel

AXES = {
    "best": f"{AXIS}; place",
    "confidence": f"{AXIS}; place",
    "rank": f"{AXIS}; place",
    "final": f"{AXIS}; place",
    "settled": "place: the first stage of the answer",
}
"""The arrays of each text that are saved, and what their axes are."""


@dataclass(frozen=True)
class Looked:
    """A text, those of its places that were looked at, and what was found at each."""

    text: ReadText
    places: Sequence[int]
    found: Decoded


def explain_texts(subject: Subject, layers: Sequence[Layer], *, most: int) -> Explanation:
    """What view `lens` shows of a language model: the last `most` places of each of the inputs.

    Without inputs it looks at a held-out text.
    """
    task, model = subject.task, language_model(subject.task)
    assert model is not None and isinstance(task.form, TextForm)  # the view saw to it
    texts = [read_text(task, text) for text in subject.inputs]
    if not texts:
        texts = [held_out_text(task, subject.dataset.reference.items)]
    looked = [_look(model, layers, text, text.places[-most:]) for text in texts]
    settled = np.concatenate([one.found.settled.cpu().numpy() for one in looked])
    asked = "what comes next" if model.causal else "what stands behind the masks"
    return Explanation(
        title=TITLE,
        lead=(
            f"The state after each of {len(layers)} blocks, read by the final head as "
            f"{asked}. On average the answer stands from block {settled.mean():.1f} on."
        ),
        sections=[
            Section(_heading(one.text), _places_table(task.form, one, model.causal))
            for one in looked
        ],
        protocol={"texts": ["".join(text.pieces) for text in texts]},
        figures={
            "texts": [stage_figures(one.found) for one in looked],
            "mean_settled_block": round(float(settled.mean()), 3),
        },
        data={
            f"{name}_{number}": (axes, getattr(one.found, name).cpu().numpy())
            for number, one in enumerate(looked)
            for name, axes in AXES.items()
        },
    )


def _look(
    model: LanguageModel, layers: Sequence[Layer], text: ReadText, places: Sequence[int]
) -> Looked:
    def answer() -> Tensor:
        return answers(model, text.tokens, places)[0]

    return Looked(text, places, decoded(at_each_stage(layers, answer)))


def _heading(text: ReadText) -> str:
    return title_of("".join(text.pieces).replace("␣", " ").replace("⏎", " "))


def _places_table(form: TextForm, looked: Looked, causal: bool) -> str:
    """Places from top to bottom, stages from left to right: a text of any length fits the page."""
    found, rows = looked.found, list[Sequence[Filled]]()
    for number, place in enumerate(looked.places):
        cells = [
            Cell(
                f"{piece(form.tokenizer, int(best))} {confidence:.2f}",
                float(final) if rank == 0 else -min(1.0, float(np.log2(1 + float(rank))) / 8),
                more=f"the final answer is number {int(rank) + 1} here, probability {final:.3f}",
            )
            for best, confidence, rank, final in zip(
                found.best[:, number],
                found.confidence[:, number],
                found.rank[:, number],
                found.final[:, number],
                strict=True,
            )
        ]
        cells.append(Cell(_since(int(found.settled[number]))))
        rows.append((looked.text.pieces[place] if causal else f"mask {number + 1}", *cells))
    heads = ["after" if causal else "at", *stage_names(len(found.best) - 1), "stands from"]
    words = (
        "A cell is the likeliest piece after so many blocks and its probability. Blue: it is what "
        "the network ends with, the deeper the surer; orange: something else is, the deeper the "
        "further down the list the final answer still stands. The last column says from which "
        "block on the answer stays."
    )
    return parts.text(words) + table(heads, rows, "the likeliest piece at each stage")


def _since(stage: int) -> str:
    return "the start" if stage == 0 else f"block {stage}"
