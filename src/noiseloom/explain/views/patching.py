"""Where what differs between two inputs is carried: parts of one's run are put into the other's.

Of a run that draws by prompts these are the words' keys and values, block by block and range of
steps by range (`word_effects`); of one that reads text the states after each block, place by place
(`state_swap`). Prompt, noise and weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import TextForm
from noiseloom.data.tokenizer import PAD
from noiseloom.errors import InputError
from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import blocks_of, network_of
from noiseloom.explain.item_pictures import middle
from noiseloom.explain.options import refuse
from noiseloom.explain.read_texts import ReadText, answers, language_model, piece, read_text
from noiseloom.explain.scene_effects import world_of_run
from noiseloom.explain.state_swap import Answer, Traced, traced
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, table
from noiseloom.explain.word_effects import Carried, Effects, carried, pair_of
from noiseloom.explain.word_swap import Swap, draw_swapped, reads_words
from noiseloom.runs.asked import read_asked
from noiseloom.tasks import Predicts, Prompted, Request, Task, Walks
from noiseloom.training.loop import Note

PICTURES, RANGES = 8, 3
SHOWN = 6  # noises of which pictures are seen
AXES = "picture, [frame,] height, width, channel"
TWO = "This view compares two inputs"


@dataclass(frozen=True)
class Reads:
    """Two texts that a network answers: their tokens in words, and what may be answered."""

    base: Answer
    other: Answer
    pieces: tuple[list[str], list[str]]
    names: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where what differs between two inputs is carried."""

    about: ClassVar[str] = "which block, word or step carries what differs between two prompts"

    num: Annotated[int, Ge(1)] | None = option(
        None, f"pictures drawn for each swap; null: {PICTURES}"
    )
    ranges: Annotated[int, Ge(1)] | None = option(
        None, f"ranges that the steps are cut into; null: {RANGES}"
    )
    steps: Annotated[int, Ge(1)] | None = option(
        None, "moves from noise to data, where pictures are drawn; null: the run's"
    )

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if reads_words(task):
            return None
        layered = bool(blocks_of(network_of(task)))
        is_row = isinstance(task.form, TextForm) and len(task.form.columns) == 1
        if layered and (
            language_model(task) is not None or (isinstance(task, Predicts) and is_row)
        ):
            return None
        return "it neither draws by words that it learned to read, nor answers one text"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are two prompts, or texts, of as many tokens."""
        if len(subject.inputs) != 2:
            raise InputError(
                f"{TWO}; given: {len(subject.inputs)}. Give two of as many words, such as "
                '"a red circle left of a blue square" "a green circle left of a blue square"'
            )
        if reads_words(subject.task):
            return self._of_words(subject)
        drawn = {"num": self.num, "ranges": self.ranges, "steps": self.steps}
        refuse(drawn, "this run draws nothing, it reads text")
        return self._of_states(subject)

    def _of_words(self, subject: Subject) -> Explanation:
        task = subject.task
        assert isinstance(task, Prompted) and isinstance(task, Walks) and task.prompts is not None
        first, second = subject.inputs
        pair, request = pair_of(task.prompts, first, second), Request(steps=self.steps)
        blocks = len(blocks_of(network_of(task)))

        def draw(swap: Swap | None, tokens: Tensor) -> np.ndarray:
            return draw_swapped(task, swap, tokens, seed=subject.seed, request=request)

        found = carried(
            pair,
            draw,
            num=self.num or PICTURES,
            blocks=blocks,
            times=task.walk(request).times.tolist(),
            ranges=self.ranges or RANGES,
            scenes=world_of_run(subject.run) is not None,
            progress=subject.working("Swapping words"),
        )
        words = [
            task.prompts.tokenizer.decode([token]).strip()
            for token in pair.other[pair.differs].tolist()
        ]
        ways = np.array([[one.way for one in row] for row in found.by_place])
        strongest = int(ways[:-1, -1].argmax()) + 1
        return Explanation(
            title="What carries the difference",
            lead=(
                f'"{first}" is drawn with {", ".join(words)} of "{second}" in it. That takes the '
                f"pictures {ways[-1, -1]:.0%} of the way; of single blocks, block {strongest} "
                f"takes them farthest, {ways[strongest - 1, -1]:.0%}."
            ),
            sections=_sections(found, first, second, words),
            protocol={
                **task.describe(request),
                "prompts": [first, second],
                "num": self.num or PICTURES,
                "ranges_of_t": [
                    [round(since, 4), round(until, 4)] for since, until in found.ranges
                ],
            },
            figures=_all_figures(found),
            data={
                "base": (f"{AXES}: of the first prompt", found.base),
                "other": (f"{AXES}: of the second prompt", found.other),
                "swapped": (f"{AXES}: the first with the second's words", found.words),
                "way": ("block, the last one: all; range of steps, the last one: all", ways),
            },
        )

    def _of_states(self, subject: Subject) -> Explanation:
        layers = blocks_of(network_of(subject.task))
        reads = _two_texts(subject)
        lengths = [len(pieces) for pieces in reads.pieces]
        if lengths[0] != lengths[1]:
            raise InputError(
                f"The texts are {lengths[0]} and {lengths[1]} tokens long, and states are "
                "exchanged place by place; give two as long as each other"
            )
        try:
            found = traced(layers, reads.base, reads.other, range(lengths[0]))
        except ValueError as error:
            raise InputError(f"{error}; give two texts that lead to different answers") from error
        effect = found.effect.numpy()
        told = reads.names[found.told]
        start, end = (float(logs[found.told].exp()) for logs in (found.base, found.other))
        return Explanation(
            title="Which state carries the difference",
            lead=(
                f"'{told}' has a probability of {start:.3g} after the first text and {end:.3g} "
                "after the second. Each state of the second is put into the first's run."
            ),
            sections=[
                Section("Place by place, block by block", _states_table(found, effect, reads)),
            ],
            protocol={"texts": list(subject.inputs), "answer": told},
            figures={
                "probability_first": start,
                "probability_second": end,
                "strongest_before_the_last_place": _strongest(effect[:, :-1]),
            },
            data={
                "effect": ("block; place: the share of the way in log-probability", effect),
                "probability": (
                    "block; place: of the answer",
                    found.exchanged[..., found.told].exp().numpy(),
                ),
            },
        )


def _strongest(effect: np.ndarray) -> dict[str, Any] | None:
    """The block and the place of the largest effect; None where there is no place."""
    if not effect.size:
        return None
    block, place = np.unravel_index(int(effect.argmax()), effect.shape)
    strength = round(float(effect[block, place]), 4)
    return {"block": int(block) + 1, "place": int(place), "effect": strength}


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
    items, said = read_asked(form, list(subject.inputs))
    if said:
        subject.on_event(Note(said))
    assert isinstance(task, Predicts)  # see `misfit`
    rows = [item[0][item[0] != tokenizer.special(PAD)] for item in items]
    pieces = [[piece(tokenizer, int(token)) for token in row] for row in rows]

    def of(item: np.ndarray) -> Answer:
        return lambda times: task.predict(item[None].repeat(times, axis=0))

    return Reads(of(items[0]), of(items[1]), (pieces[0], pieces[1]), form.class_names)


def _sections(found: Carried, first: str, second: str, words: Sequence[str]) -> list[Section]:
    return [
        Section("Pictures from the same noise", _pictures(found, first, second, words)),
        Section("What of the prompt carries it", _parts_table(found)),
        Section("Which block, and when", _places_table(found, "way", "the way")),
        *(
            Section(f"Which block carries {_claim(kind)}", _places_table(found, kind, kind))
            for kind in found.plain[1].held
        ),
    ]


def _all_figures(found: Carried) -> dict[str, Any]:
    return {
        "by_part": {name: _figures(one) for name, one in found.by_part.items()},
        "first_prompt": _figures(found.plain[0]),
        "second_prompt": _figures(found.plain[1]),
        "by_block_and_range": [[_figures(one) for one in row] for row in found.by_place],
    }


def _pictures(found: Carried, first: str, second: str, words: Sequence[str]) -> str:
    names = (first, f"{first}, with {', '.join(words)} swapped in", second)
    shown = [
        parts.shown(
            parts.tiled([list(middle(pictures[:SHOWN]))], 640),
            f"{min(len(pictures), SHOWN)} pictures, each from its own noise: {name}",
            name,
        )
        for name, pictures in zip(names, (found.base, found.words, found.other), strict=True)
    ]
    return parts.text("Below each other are pictures from the same noise.") + "".join(shown)


def _parts_table(found: Carried) -> str:
    kinds = list(found.plain[1].held)
    named = {
        "nothing": found.plain[0],
        **found.by_part,
        "the second prompt itself": found.plain[1],
    }
    rows: list[Sequence[Filled]] = [
        (name, *(_cell(_value(one, name_)) for name_ in ("way", *kinds)))
        for name, one in named.items()
    ]
    words = (
        "What is taken from the second prompt, in all blocks and steps. The way is how far pixels "
        "go from the first prompt's pictures to the second's. The summary modulates every block; "
        "the start is what stands before the first word."
    )
    claims = (
        " The other columns are the share of pictures that hold what the second prompt claims."
        if kinds
        else ""
    )
    heads = ["taken", "the way", *(_claim(kind) for kind in kinds)]
    return parts.text(words + claims) + table(heads, rows, "effect of each part")


def _places_table(found: Carried, kind: str, name: str) -> str:
    names = [*(f"block {number + 1}" for number in range(len(found.by_place) - 1)), "all blocks"]
    rows: list[Sequence[Filled]] = [
        (block, *(_cell(_value(one, kind)) for one in row))
        for block, row in zip(names, found.by_place, strict=True)
    ]
    heads = ["swapped in", *(_span(*span) for span in found.ranges), "all steps"]
    nothing, all_of_it = (_value(one, kind) for one in found.plain)
    words = (
        f"The words that differ are taken from the second prompt in one block, in one range of "
        f"steps. With nothing swapped it is {nothing:.2f}, with the second prompt {all_of_it:.2f}."
    )
    return parts.text(words) + table(heads, rows, f"{name} by block and range of steps")


def _states_table(found: Traced, effect: np.ndarray, reads: Reads) -> str:
    told = reads.names[found.told]
    probability = found.exchanged[..., found.told].exp()
    rows: list[Sequence[Filled]] = []
    for place, (first, second) in enumerate(zip(*reads.pieces, strict=True)):
        cells = [
            Cell(
                f"{effect[layer, place]:+.2f}",
                float(effect[layer, place]),
                more=f"'{told}' has a probability of {float(probability[layer, place]):.3g}",
            )
            for layer in range(len(effect))
        ]
        rows.append((first if first == second else f"{first} / {second}", *cells))
    words = (
        f"A cell is how far the log-probability of '{told}' goes from the first text's to the "
        "second's when the state after that block, at that token, is the second's: 1 is all the "
        "way, below 0 away from it. Where both texts have the same token before they differ, a "
        "causal model has the same state and the effect is 0."
    )
    heads = ["token", *(f"block {number + 1}" for number in range(len(effect)))]
    return parts.text(words) + table(heads, rows, "effect of each state")


def _cell(value: float) -> Cell:
    return Cell(f"{value:z.2f}", value)


def _value(one: Effects, kind: str) -> float:
    return one.way if kind == "way" else one.held[kind]


def _figures(one: Effects) -> dict[str, float]:
    shares = {f"share_{kind}": round(share, 4) for kind, share in one.held.items()}
    return {"way": round(one.way, 4), **shares}


def _claim(kind: str) -> str:
    return "all that is claimed" if kind == "all" else f"the {kind}"


def _span(since: float, until: float) -> str:
    return f"t {since:.2f} to {max(0.0, until):.2f}"
