"""Texts beside the training passages that stand in them, as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from noiseloom.explain import parts
from noiseloom.explain.explanation import Explanation, Section
from noiseloom.explain.passages import SharedRun, copy_length, covered, longest, shared_runs

ROUND = 60  # characters shown on either side of a training passage


def explain_texts(
    prompts: Sequence[str], texts: Sequence[str], source: str, real: Sequence[str]
) -> Explanation:
    """What view `neighbours` shows of texts written after `prompts`; `source` is trained on.

    `real` is held-out text as long, by which one knows how long a passage is usual.
    """
    runs, held_out = shared_runs(texts, source), shared_runs(real, source)
    limit = copy_length(held_out)
    rows: list[dict[str, Any]] = [
        {
            "prompt": prompt,
            "text": text,
            "longest": longest(own),
            "is_copy": longest(own) > limit,
            "passage": source[own[0].place : own[0].place + own[0].length] if own else "",
        }
        for prompt, text, own in zip(prompts, texts, runs, strict=True)
    ]
    lengths = [longest(own) for own in held_out]
    copies = sum(row["is_copy"] for row in rows)
    heading = "Texts, and the longest passage of each"
    return Explanation(
        title="The nearest training passages",
        lead=(
            f"{copies or 'None'} of {len(texts)} texts {'holds' if copies < 2 else 'hold'} a "
            f"passage of the training text that is longer than {limit:.0f} characters, twice as "
            "long as in almost any held-out text."
        ),
        sections=[Section(heading, _passages(rows, runs, source, limit))],
        protocol={
            "texts": len(texts),
            "training_characters": len(source),
            "held_out_texts": len(real),
        },
        figures={
            "copies": copies,
            "copy_is_longer_than": limit,
            "held_out_called_copies": sum(length > limit for length in lengths),
            "longest_in_held_out_text": {
                "median": float(np.median(lengths)),
                "99 %": float(np.quantile(lengths, 0.99)),
            },
            "texts": rows,
        },
    )


def _passages(
    rows: Sequence[dict[str, Any]],
    runs: Sequence[Sequence[SharedRun]],
    source: str,
    limit: float,
) -> str:
    words = (
        "Coloured is what stands in the training text letter for letter, twenty characters or "
        f"more; in the full colour what is a copy, {limit:.0f} characters or more."
    )
    found = [parts.text(words)]
    for place, (row, own) in enumerate(zip(rows, runs, strict=True), start=1):
        verdict = "a copy" if row["is_copy"] else "new"
        found.append(f"<h3>Text {place}: {verdict}</h3>")
        found.append(parts.marked(*_coloured(row["text"], own), limit))
        if not own:
            found.append(
                parts.text("No twenty characters of it stand in the training text.", "note")
            )
            continue
        run = own[0]
        before = source[max(0, run.place - ROUND) : run.place]
        after = source[run.place + run.length : run.place + run.length + ROUND]
        told = (
            f"Its longest passage, {run.length} characters, where it stands in the training text:"
        )
        found.append(parts.text(told, "note"))
        found.append(parts.marked([before, row["passage"], after], [0.0, run.length, 0.0], limit))
    return "".join(found)


def _coloured(text: str, runs: Sequence[SharedRun]) -> tuple[list[str], list[float]]:
    """The text in pieces, each with the length of the longest run that it is in."""
    cover = covered(len(text), runs)
    cuts = [0, *(np.flatnonzero(np.diff(cover)) + 1).tolist(), len(text)]
    parted = [(a, b) for a, b in pairwise(cuts) if b > a]
    return [text[a:b] for a, b in parted], [float(cover[a]) for a, _ in parted]
