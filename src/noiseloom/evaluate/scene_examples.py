"""Single pictures of scenes in words: what was asked for, what is there, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noiseloom.data.scene.places import place_of
from noiseloom.data.scene.world import Thing
from noiseloom.evaluate.scene_scores import KINDS, Judged


def example(prompt: str, judged: Judged, found: Sequence[Thing]) -> dict[str, Any]:
    """A picture's prompt, whether it is right in all, what is wrong, and what was read in it."""
    wrong = [
        kind
        for kind, asked, right in zip(KINDS, judged.asked, judged.right, strict=True)
        if right < asked
    ]
    return {
        "prompt": prompt,
        "is_right": judged.is_right,
        "wrong": [*wrong, *([] if judged.is_count_right else ["count"])],
        "found": ", ".join(map(describe, found)) or "nothing",
    }


def describe(thing: Thing) -> str:
    """`large red circle top left`; what nobody can tell is said so."""
    looks = f"{thing.size} {thing.colour or 'off-colour'} {thing.shape or 'blot'}"
    return f"{looks} {place_of(thing.x, thing.y)}"
