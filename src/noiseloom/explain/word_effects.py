"""Which part of a prompt's reading carries what differs between two prompts, and when.

The first prompt is drawn with some of the second's reading in it (`word_swap`), from the same
noise, and what comes of it is measured: how far the picture goes the second's way and, of scenes,
how often it holds what the second claims.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.scene.parsing import Asked, parse_caption
from noiseloom.errors import InputError
from noiseloom.evaluate.scene_reading import read_pictures
from noiseloom.explain.scene_effects import changed_kinds, held, share_of_way
from noiseloom.explain.word_swap import Swap

Draw = Callable[[Swap | None, Tensor], np.ndarray]
"""Pictures of prompts (N, L) with a swap, if any, always from the same noise."""


DIFFERS = "the words that differ"


@dataclass(frozen=True)
class Pair:
    """Two prompts of as many tokens, (L,) each; `differs` (L,) is where they are not the same."""

    prompts: tuple[str, str]
    base: Tensor
    other: Tensor
    differs: Tensor
    is_word: Tensor

    def swap(self, num: int) -> Swap:
        """What differs taken from the second prompt, for `num` pictures."""
        base, other = self.base.expand(num, -1), self.other.expand(num, -1)
        return Swap(base, other, self.differs.expand(num, -1))


@dataclass(frozen=True)
class Effects:
    """What comes of one swap: the `way`, as in `share_of_way`, and of scenes the shares `held`.

    These are of pictures that hold all that the second prompt claims, by kind of claim.
    """

    way: float
    held: dict[str, float]


@dataclass(frozen=True)
class Carried:
    """All that was found: pictures of either prompt, and effects by what was swapped, and where.

    `by_part` are swaps in all blocks and steps, the keys words; `by_place` (blocks + 1, ranges + 1)
    those of what differs, block by block and range of steps by range, all of them last. `ranges`
    are (from, to) in t, and `words` the pictures with what differs swapped throughout.
    """

    base: np.ndarray
    other: np.ndarray
    words: np.ndarray
    plain: tuple[Effects, Effects]
    by_part: dict[str, Effects]
    by_place: list[list[Effects]]
    ranges: list[tuple[float, float]]


def pair_of(captions: Captions, first: str, second: str) -> Pair:
    """Two prompts to be compared; InputError where they cannot be."""
    read = captions.encode([first, second])
    base, other = torch.from_numpy(read.tokens)
    lengths = [int((row != captions.padding).sum()) for row in (base, other)]
    if read.unseen:
        raise InputError(
            f"'{read.unseen[0]}' stands in no caption that this run was trained on; give prompts "
            "of words that it knows"
        )
    if read.cut or lengths[0] != lengths[1]:
        raise InputError(
            f"The prompts are {lengths[0]} and {lengths[1]} tokens long; words are swapped place "
            f"by place, so give two as long as each other, of up to {captions.longest}"
        )
    if base.equal(other):
        raise InputError("The prompts are the same to this run; give two that differ in a word")
    return Pair((first, second), base, other, base != other, base != captions.padding)


def and_the_next(places_NL: Tensor) -> Tensor:
    """These places of prompts (N, L), and the one after each: `red` and the `circle` it is of."""
    wider = places_NL.clone()
    wider[:, 1:] |= places_NL[:, :-1]
    return wider


def claimed(pair: Pair) -> tuple[Asked, list[str]] | None:
    """What the second prompt asks for of a scene, and the kinds of claim that it changes.

    None where either prompt is not one of scenes.
    """
    try:
        first, second = (parse_caption(prompt) for prompt in pair.prompts)
    except ValueError:
        return None
    return second, changed_kinds(first, second)


def carried(
    pair: Pair,
    draw: Draw,
    *,
    num: int,
    blocks: int,
    times: Sequence[float],
    ranges: int,
    scenes: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Carried:
    """All swaps of a pair, `num` pictures each; `times` are the sampler's, falling.

    `progress(done, total)` counts swaps.
    """
    asked = claimed(pair) if scenes else None
    whole, parts = pair.swap(num), _parts(pair, num)
    spans = _spans(times, ranges)
    total, done = 2 + len(parts) + (blocks + 1) * (len(spans) + 1), 0

    def drawn(swap: Swap | None, tokens: Tensor) -> np.ndarray:
        nonlocal done
        pictures = draw(swap, tokens.expand(num, -1))
        done += 1
        progress(done, total)
        return pictures

    base, other = drawn(None, pair.base), drawn(None, pair.other)

    def effects(pictures: np.ndarray) -> Effects:
        shares = {}
        if asked is not None:
            second, kinds = asked
            found = held([second] * num, read_pictures(pictures))
            shares = {kind: float(np.nanmean(found[kind])) for kind in [*kinds, "all"]}
        return Effects(share_of_way(base, other, pictures), shares)

    words = drawn(whole, pair.base)
    by_part = {DIFFERS: effects(words)}
    by_part |= {name: effects(drawn(swap, pair.base)) for name, swap in parts.items()}
    by_place = [
        [
            by_part[DIFFERS]
            if block is None and span is None
            else effects(drawn(_narrowed(whole, block, span), pair.base))
            for span in [*spans, None]
        ]
        for block in [*range(blocks), None]
    ]
    plain = effects(base), effects(other)
    return Carried(base, other, words, plain, by_part, by_place, spans)


def _parts(pair: Pair, num: int) -> dict[str, Swap]:
    """What may be taken of the second prompt's reading beside what differs."""
    whole = pair.swap(num)
    none, all_words = torch.zeros_like(whole.places), pair.is_word.expand(num, -1)
    return {
        "these, and the word after each": replace(whole, places=and_the_next(whole.places)),
        "all words": replace(whole, places=all_words),
        "the start": replace(whole, places=none, with_start=True),
        "the summary": replace(whole, places=none, with_summary=True),
        "all of it": replace(whole, places=all_words, with_start=True, with_summary=True),
    }


def _narrowed(swap: Swap, block: int | None, span: tuple[float, float] | None) -> Swap:
    chosen = None if block is None else [block]
    if span is None:
        return replace(swap, blocks=chosen)
    return replace(swap, blocks=chosen, since=span[0], until=span[1])


def _spans(times: Sequence[float], ranges: int) -> list[tuple[float, float]]:
    """`times` cut into as many ranges of as many steps each, (from, to); to the last 0 belongs."""
    edges = np.unique(np.linspace(0, len(times) - 1, ranges + 1).round().astype(int))
    marks = [float(times[edge]) for edge in edges]
    marks[-1] = -1.0  # what a sampler asks at its end belongs to its last step
    return list(pairwise(marks))
