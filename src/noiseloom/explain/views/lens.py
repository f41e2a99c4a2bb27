"""What a network would answer if it ended after each of its blocks, read by its own final head.

Of a language model that is the likeliest piece at each place, of a classifier the class, of a
denoiser the picture that it expects. The last row is the network's own answer. How the states are
read is in `depth_lens`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import TextForm
from noiseloom.evaluate.charts import Line
from noiseloom.evaluate.loss_by_time import items_evenly
from noiseloom.explain import parts
from noiseloom.explain.depth_lens import Decoded, at_each_stage, decoded
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import Layer, blocks_of, network_of
from noiseloom.explain.item_pictures import middle
from noiseloom.explain.options import refuse
from noiseloom.explain.picture_lens import stages_of
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
from noiseloom.networks.language_model import LanguageModel
from noiseloom.runs.asked import read_asked
from noiseloom.tasks import Denoises, Predicts, Task
from noiseloom.training.loop import Note

PLACES, ITEMS, TIMES = 24, 4, (0.9, 0.7, 0.5, 0.3, 0.1)
STAGE_AXIS = "stage: before the first block, and after each"
NO_DENOISER = "this run is no denoiser, which knows times"


@dataclass(frozen=True, kw_only=True)
class Config:
    """What each block has come to."""

    about: ClassVar[str] = "what the network would answer if it ended after each block"

    most: Annotated[int, Ge(1)] | None = option(
        None, f"places of a text that are shown, the last ones; null: {PLACES}"
    )
    num: Annotated[int, Ge(1)] | None = option(
        None, f"held-out items, where none are given; null: {ITEMS}"
    )
    times: tuple[Annotated[float, Ge(0), Le(1)], ...] | None = option(
        None, f"t at which a denoiser is looked into, from 0 to 1; null: {list(TIMES)}"
    )

    def __post_init__(self) -> None:
        if self.times == ():
            raise ValueError("times is empty; allowed are one or more, each 0 to 1")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if not blocks_of(network_of(task)):
            return "its network has no transformer blocks that hand on one state"
        if isinstance(task, Denoises | Predicts) or language_model(task) is not None:
            return None
        return "it answers neither pieces of text, nor classes, nor pictures"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are texts, or items to be told apart."""
        layers = blocks_of(network_of(subject.task))
        if language_model(subject.task) is not None:
            refuse({"num": self.num}, "this view looks at texts, of held-out ones at the first")
            refuse({"times": self.times}, NO_DENOISER)
            return self._of_texts(subject, layers)
        refuse({"most": self.most}, "no text of this run is shown place by place")
        if isinstance(subject.task, Predicts):
            refuse({"times": self.times}, NO_DENOISER)
            return self._of_classes(subject, subject.task, layers)
        return self._of_pictures(subject, layers)

    def _of_texts(self, subject: Subject, layers: Sequence[Layer]) -> Explanation:
        task, model = subject.task, language_model(subject.task)
        assert model is not None and isinstance(task.form, TextForm)
        texts = [read_text(task, text) for text in subject.inputs]
        if not texts:
            texts = [held_out_text(task, subject.dataset.reference.items)]
        sections, figures = [], []
        arrays: dict[str, np.ndarray] = {}
        for number, text in enumerate(texts):
            places = text.places[-(self.most or PLACES) :]
            logits = at_each_stage(layers, _asked(model, text, places))
            found = decoded(logits)
            heading = "".join(text.pieces).replace("␣", " ").replace("⏎", " ")
            sections.append(
                Section(_cut(heading), _text_part(task.form, text, places, found, model.causal))
            )
            arrays |= {
                f"{name}_{number}": getattr(found, name).cpu().numpy()
                for name in ("best", "confidence", "rank", "final", "settled")
            }
            figures.append(_of_stages(found))
        settled = np.concatenate([arrays[f"settled_{n}"] for n in range(len(texts))])
        asked = "what comes next" if model.causal else "what stands behind the masks"
        return Explanation(
            title="What each block has come to",
            lead=(
                f"The state after each of {len(layers)} blocks, read by the final head as "
                f"{asked}. On average the answer stands from block {settled.mean():.1f} on."
            ),
            sections=sections,
            protocol={"texts": ["".join(one.pieces) for one in texts]},
            figures={"texts": figures, "mean_settled_block": round(float(settled.mean()), 3)},
            data={name: (_axes(name), array) for name, array in arrays.items()},
        )

    def _of_classes(self, subject: Subject, task: Predicts, layers: Sequence[Layer]) -> Explanation:
        items, names, truth = self._items(subject)
        logits = at_each_stage(layers, lambda: task.predict(items))
        found, classes = decoded(logits), task.form.class_names
        rows: list[Sequence[Filled]] = []
        for place, name in enumerate(names):
            cells = [
                Cell(
                    f"{classes[int(found.best[stage, place])]} "
                    f"{found.confidence[stage, place]:.2f}",
                    float(found.confidence[stage, place]),
                    more="" if truth is None else f"in truth {classes[truth[place]]}",
                )
                for stage in range(len(found.best))
            ]
            rows.append((name, *cells))
        heads = ["item", *_stages(len(layers))]
        accuracy = None
        if truth is not None:
            accuracy = (found.best.numpy() == truth).mean(axis=1).round(4).tolist()
        words = (
            "Each cell is the likeliest class after so many blocks, and its probability; the last "
            "column is the answer itself. The head was trained on the last state alone, so that "
            "what it says of earlier ones is a lower bound of what they hold."
        )
        return Explanation(
            title="What each block has come to",
            lead=(
                f"The class of {len(items)} item{'' if len(items) == 1 else 's'}, read by the "
                "final head after each block."
            ),
            sections=[
                Section(
                    "Item by item",
                    parts.text(words) + table(heads, rows, "the likeliest class at each stage"),
                )
            ],
            protocol={"items": list(names)},
            figures={**_of_stages(found), "accuracy_by_stage": accuracy},
            data={
                "probability": (
                    f"{STAGE_AXIS}; item; class",
                    logits.double().softmax(dim=-1).numpy(),
                )
            },
        )

    def _items(self, subject: Subject) -> tuple[np.ndarray, list[str], np.ndarray | None]:
        """What is told apart, as stored, what to call it, and its classes where these are known."""
        form = subject.task.form
        if subject.inputs:
            refuse({"num": self.num}, "it is items that are given that are looked at")
            items, said = read_asked(form, list(subject.inputs))
            if said:
                subject.on_event(Note(said))
            return items, [_cut(one) for one in subject.inputs], None
        held_out = subject.dataset.reference
        chosen = held_out.evenly(self.num or ITEMS)
        items = held_out.items[chosen]
        names = [f"held-out item {number + 1}" for number in chosen]
        if isinstance(form, TextForm):
            names = [_cut(text) for text in form.texts(items)]
        return items, names, None if held_out.labels is None else held_out.labels[chosen]

    def _of_pictures(self, subject: Subject, layers: Sequence[Layer]) -> Explanation:
        subject.refuse_inputs("this view looks at held-out items with noise")
        task, seen_data, times = subject.task, subject.seen, self.times or TIMES
        assert isinstance(task, Denoises)
        num = self.num or ITEMS
        chosen, x0, labels = items_evenly(seen_data, seen_data.reference, num, subject.device)
        found = stages_of(task.judged(labels), layers, x0, times, seed=subject.seed)
        pictures = np.stack(
            [[middle(task.form.to_items(x0.cpu())) for x0 in time] for time in found.x0]
        )
        seen = np.stack([middle(task.form.to_items(xt.cpu())) for xt in found.xt])
        errors = {"to_end": found.to_end, "to_truth": found.to_truth}
        strips = [
            [[seen[at][item], *pictures[at][:, item]] for at in range(len(times))]
            for item in range(len(chosen))
        ]
        return Explanation(
            title="What each block has come to",
            lead=(
                f"Pictures with noise, and the clean picture that the state after each of "
                f"{len(layers)} blocks comes to when the final head reads it."
            ),
            sections=[
                Section("Block by block", _pictures_part(strips, times, len(layers))),
                Section("How far from the end", _errors_part(errors, times, len(layers))),
            ],
            protocol={"times": list(times), "num": len(chosen)},
            figures={
                "times": list(times),
                **{
                    f"error_{name}_by_t_and_stage": values.round(5).tolist()
                    for name, values in errors.items()
                },
            },
            data={
                "x0": (f"time; {STAGE_AXIS}; item; height; width; channel", pictures),
                "xt": ("time; item; height; width; channel", seen),
                **{
                    f"to_{name}": (
                        f"time; {STAGE_AXIS}: mean square of x0 less the {name}, over variance",
                        errors[f"to_{name}"],
                    )
                    for name in ("end", "truth")
                },
            },
        )


def _asked(model: LanguageModel, text: ReadText, places: Sequence[int]) -> Callable[[], Tensor]:
    return lambda: answers(model, text.tokens, places)[0]


def _text_part(
    form: TextForm, text: ReadText, places: Sequence[int], found: Decoded, causal: bool
) -> str:
    """Places from top to bottom, stages from left to right: a text of any length fits the page."""
    rows: list[Sequence[Filled]] = []
    for number, place in enumerate(places):
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
        cells.append(Cell(_from(int(found.settled[number]))))
        rows.append((text.pieces[place] if causal else f"mask {number + 1}", *cells))
    heads = ["after" if causal else "at", *_stages(len(found.best) - 1), "stands from"]
    words = (
        "A cell is the likeliest piece after so many blocks and its probability. Blue: it is what "
        "the network ends with, the deeper the surer; orange: something else is, the deeper the "
        "further down the list the final answer still stands. The last column says from which "
        "block on the answer stays."
    )
    return parts.text(words) + table(heads, rows, "the likeliest piece at each stage")


def _pictures_part(
    strips: Sequence[Sequence[Sequence[np.ndarray]]], times: Sequence[float], depth: int
) -> str:
    told = ", ".join(f"{t:g}" for t in times)
    words = (
        f"Rows are t = {told}. The first column is what the network is given; the others are what "
        f"it would answer after 0, 1, … {depth} blocks. The last column is its answer."
    )
    shown = [
        parts.shown(
            parts.tiled(strip, 640),
            f"held-out item {number + 1}: with noise, then what is expected after 0 to {depth} "
            f"blocks, a row for each t = {told}",
        )
        for number, strip in enumerate(strips)
    ]
    return parts.text(words) + parts.row(shown, wide=True)


def _errors_part(errors: dict[str, np.ndarray], times: Sequence[float], depth: int) -> str:
    rows: list[Sequence[Filled]] = []
    for at, t in enumerate(times):
        values = errors["to_end"][at]
        cells = [
            Cell(f"{value:.3f}", -min(1.0, float(value)), more=f"to the truth {truth:.3f}")
            for value, truth in zip(values, errors["to_truth"][at], strict=True)
        ]
        rows.append((f"{t:g}", *cells))
    mean = Line("mean of all t", list(enumerate(errors["to_end"].mean(axis=0).tolist())))
    chart = parts.chart("Distance from the answer, mean of all t", [mean], across="blocks")
    words = (
        "The mean square distance between what is expected after so many blocks and the network's "
        "answer, as a share of the data's variance. Deep orange is far from it."
    )
    distances = table(["t", *_stages(depth)], rows, "distance from the answer")
    return parts.text(words) + distances + chart


def _of_stages(found: Decoded) -> dict[str, Any]:
    """Means over places: how sure of the final answer each stage is, and how often it has it."""
    return {
        "final_answer_first_by_stage": (found.rank == 0).double().mean(dim=1).tolist(),
        "final_answer_probability_by_stage": found.final.mean(dim=1).tolist(),
        "settled_stage": found.settled.tolist(),
    }


def _stages(depth: int) -> list[str]:
    return ["no block", *(f"block {number}" for number in range(1, depth + 1))]


def _from(stage: int) -> str:
    return "the start" if stage == 0 else f"block {stage}"


def _axes(name: str) -> str:
    return (
        "place: the first stage of the answer"
        if name.startswith("settled")
        else f"{STAGE_AXIS}; place"
    )


def _cut(text: str, most: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
