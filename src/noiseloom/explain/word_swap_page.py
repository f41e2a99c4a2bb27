"""Which words of a prompt carry what differs from another, where and when, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.interventions import blocks_of, network_of
from noiseloom.explain.item_pictures import middle
from noiseloom.explain.scene_effects import world_of_run
from noiseloom.explain.subject import Subject
from noiseloom.explain.tables import Cell, Filled, counted, table
from noiseloom.explain.word_effects import Carried, Effects, carried, pair_of
from noiseloom.explain.word_swap import Swap, draw_swapped
from noiseloom.tasks import Prompted, Request, Walks

SHOWN = 6  # noises of which pictures are seen
WIDE = 640  # screen pixels of their pictures side by side, about
AXES = "picture, [frame,] height, width, channel"


def explain_words(subject: Subject, *, num: int, ranges: int, steps: int | None) -> Explanation:
    """What view `patching` shows of a run that draws by prompts: the inputs are two.

    `num` pictures are drawn for each swap, in `steps`, which are cut into so many `ranges`. Raises
    InputError for prompts that cannot be compared.
    """
    task, request = subject.task, Request(steps=steps)
    assert isinstance(task, Prompted) and isinstance(task, Walks) and task.prompts is not None
    first, second = subject.inputs
    pair = pair_of(task.prompts, first, second)

    def draw(swap: Swap | None, tokens: Tensor) -> np.ndarray:
        return draw_swapped(task, swap, tokens, seed=subject.seed, request=request)

    found = carried(
        pair,
        draw,
        num=num,
        blocks=len(blocks_of(network_of(task))),
        times=task.walk(request).times.tolist(),
        ranges=ranges,
        scenes=world_of_run(subject.run) is not None,
        progress=subject.working("Swapping words"),
    )
    swapped = ", ".join(
        task.prompts.tokenizer.decode([token]).strip()
        for token in pair.other[pair.differs].tolist()
    )
    ways = np.array([[one.way for one in row] for row in found.by_place])
    spans = [[round(since, 4), round(until, 4)] for since, until in found.ranges]
    return Explanation(
        title="What carries the difference",
        lead=f'"{first}" is drawn with {swapped} of "{second}" in it. {_farthest(ways)}',
        sections=_sections(found, (first, f"{first}, with {swapped} swapped in", second)),
        protocol={
            **task.describe(request),
            "prompts": [first, second],
            "num": num,
            "ranges_of_t": spans,
        },
        figures=_figures(found),
        data={
            "base": (f"{AXES}: of the first prompt", found.base),
            "other": (f"{AXES}: of the second prompt", found.other),
            "swapped": (f"{AXES}: the first with the second's words", found.words),
            "way": ("block, the last one: all; range of steps, the last one: all", ways),
        },
    )


def _farthest(ways: np.ndarray) -> str:
    strongest = int(ways[:-1, -1].argmax()) + 1
    return (
        f"That takes the pictures {ways[-1, -1]:.0%} of the way; of single blocks, block "
        f"{strongest} takes them farthest, {ways[strongest - 1, -1]:.0%}."
    )


def _sections(found: Carried, names: tuple[str, str, str]) -> list[Section]:
    """`names` are of the first prompt's pictures, those with words swapped, and the second's."""
    return [
        Section("Pictures from the same noise", _pictures(found, names)),
        Section("What of the prompt carries it", _parts_table(found)),
        Section("Which block, and when", _places_table(found, "way", "the way")),
        *(
            Section(f"Which block carries {_claim(kind)}", _places_table(found, kind, kind))
            for kind in found.plain[1].held
        ),
    ]


def _figures(found: Carried) -> dict[str, Any]:
    return {
        "by_part": {name: _told(one) for name, one in found.by_part.items()},
        "first_prompt": _told(found.plain[0]),
        "second_prompt": _told(found.plain[1]),
        "by_block_and_range": [[_told(one) for one in row] for row in found.by_place],
    }


def _pictures(found: Carried, names: tuple[str, str, str]) -> str:
    shown = [
        parts.shown(
            parts.tiled([list(middle(pictures[:SHOWN]))], WIDE),
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
        (name, *(_cell(one, kind) for kind in ("way", *kinds))) for name, one in named.items()
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
    names = [*counted("block", len(found.by_place) - 1), "all blocks"]
    rows: list[Sequence[Filled]] = [
        (block, *(_cell(one, kind) for one in row))
        for block, row in zip(names, found.by_place, strict=True)
    ]
    heads = ["swapped in", *(_span(*span) for span in found.ranges), "all steps"]
    nothing, all_of_it = (_value(one, kind) for one in found.plain)
    words = (
        f"The words that differ are taken from the second prompt in one block, in one range of "
        f"steps. With nothing swapped it is {nothing:.2f}, with the second prompt {all_of_it:.2f}."
    )
    return parts.text(words) + table(heads, rows, f"{name} by block and range of steps")


def _cell(one: Effects, kind: str) -> Cell:
    value = _value(one, kind)
    return Cell(f"{value:z.2f}", value)


def _value(one: Effects, kind: str) -> float:
    return one.way if kind == "way" else one.held[kind]


def _told(one: Effects) -> dict[str, float]:
    shares = {f"share_{kind}": round(share, 4) for kind, share in one.held.items()}
    return {"way": round(one.way, 4), **shares}


def _claim(kind: str) -> str:
    return "all that is claimed" if kind == "all" else f"the {kind}"


def _span(since: float, until: float) -> str:
    return f"t {since:.2f} to {max(0.0, until):.2f}"
