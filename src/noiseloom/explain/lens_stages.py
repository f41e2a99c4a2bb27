"""The stages of a network, as every page of view `lens` shows them."""

from __future__ import annotations

from typing import Any

from noiseloom.explain.depth_lens import Decoded
from noiseloom.explain.tables import counted

TITLE = "What each block has come to"
AXIS = "stage: before the first block, and after each"


def stage_names(depth: int) -> list[str]:
    """What to call the stages of a network of `depth` blocks: as many, and the one before them."""
    return ["no block", *counted("block", depth)]


def stage_figures(found: Decoded) -> dict[str, Any]:
    """Means over places: how often each stage has the final answer, and how sure it is of it."""
    return {
        "final_answer_first_by_stage": (found.rank == 0).double().mean(dim=1).tolist(),
        "final_answer_probability_by_stage": found.final.mean(dim=1).tolist(),
        "settled_stage": found.settled.tolist(),
    }
