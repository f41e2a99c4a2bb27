"""How far pictures hold what captions ask for: each attribute of each object, and all at once.

Found objects are matched to those asked for in the way that makes most claims right, and an object
that is not there has every claim wrong. A picture is right (`joint_accuracy`) where it holds as
many objects as asked for and every claim is right; what a caption leaves open, nobody judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from noiseloom.data.scene.parsing import Asked, Wanted
from noiseloom.data.scene.places import place_of, relation_of
from noiseloom.data.scene.world import Thing
from noiseloom.evaluate.beside import Figures
from noiseloom.evaluate.resampling import share_interval

ATTRIBUTES = ("shape", "colour", "size", "position")  # of one object; the last is its place
KINDS = (*ATTRIBUTES, "relation")
MOST_MATCHED = 6  # found objects that are tried, those most like what is asked for


@dataclass(frozen=True)
class Judged:
    """One picture: of each of `KINDS` how many claims there are and how many are right."""

    asked: tuple[int, ...]
    right: tuple[int, ...]
    is_count_right: bool

    @property
    def is_right(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.is_count_right and self.asked == self.right


def judge(asked: Asked, found: Sequence[Thing]) -> Judged:
    """How far the objects `found` in a picture are those that its caption asks for."""
    claims = np.array([[_right(wanted, thing) for thing in found] for wanted in asked.things])
    claims = claims.reshape(len(asked.things), len(found), len(ATTRIBUTES))
    likeness = claims.sum(axis=2)
    tried = np.sort(np.argsort(-likeness.max(axis=0, initial=0), kind="stable")[:MOST_MATCHED])
    places = [*tried.tolist(), *[None] * max(0, len(asked.things) - len(tried))]
    best = max(
        dict.fromkeys(permutations(places, len(asked.things))),
        key=lambda match: (
            sum(likeness[one, place] for one, place in enumerate(match) if place is not None)
            + _related(asked, found, match)
        ),
    )
    right = sum(
        (claims[one, place] for one, place in enumerate(best) if place is not None),
        start=np.zeros(len(ATTRIBUTES), dtype=np.int64),
    )
    said = [[claim is not None for claim in _said(wanted)] for wanted in asked.things]
    return Judged(
        asked=(*np.sum(said, axis=0).tolist(), len(asked.relations)),
        right=(*right.tolist(), _related(asked, found, best)),
        is_count_right=len(asked.things) == len(found),
    )


def shares(judged: Sequence[Judged]) -> Figures:
    """The share of right claims of each kind, of right counts, and of pictures right in all.

    Intervals are those of shares of pictures, not of claims: what one picture holds is not
    independent. A kind that no caption claims has no figure.
    """
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}

    def add(name: str, right: np.ndarray, asked: np.ndarray) -> None:
        if asked.any():
            metrics[name] = float(right.sum() / asked.sum())
            intervals[name] = share_interval(metrics[name], int((asked > 0).sum()))

    ones = np.ones(len(judged), dtype=np.int64)
    add("joint_accuracy", np.array([one.is_right for one in judged]), ones)
    add("count_accuracy", np.array([one.is_count_right for one in judged]), ones)
    for number, kind in enumerate(KINDS):
        right, asked = (
            np.array([getattr(one, name)[number] for one in judged]) for name in ("right", "asked")
        )
        add(f"{kind}_accuracy", right, asked)
    return Figures(metrics, intervals)


def _said(wanted: Wanted) -> tuple[str | None, ...]:
    return wanted.shape, wanted.colour, wanted.size, wanted.place


def _right(wanted: Wanted, thing: Thing) -> list[bool]:
    """Which claims on one object hold of `thing`; none that is not made does."""
    seen = (thing.shape, thing.colour, thing.size, place_of(thing.x, thing.y))
    pairs = zip(_said(wanted), seen, strict=True)
    return [claim is not None and claim == fact for claim, fact in pairs]


def _related(asked: Asked, found: Sequence[Thing], match: Sequence[int | None]) -> int:
    """How many relations hold between the objects matched."""
    held = 0
    for first, relation, last in asked.relations:
        one, two = match[first], match[last]
        if one is not None and two is not None:
            dx, dy = found[one].x - found[two].x, found[one].y - found[two].y
            held += relation_of(dx, dy) == relation
    return held
