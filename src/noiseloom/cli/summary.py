"""What a run has come to, in words: its figures beside their floors, and what to open next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from noiseloom.evaluate.columns import columns
from noiseloom.evaluate.commands import use
from noiseloom.evaluate.facts import items_of, prompt_of
from noiseloom.evaluate.likelihood import sentences
from noiseloom.networks import Answer

_WORTH_OPENING = {
    "report.html": "everything on one page",
    "samples/final.png": "a sheet of samples",
    "samples/final.txt": "what it writes",
    "samples/denoising.gif": "how samples form",
    "samples/predictions.png": "held-out items and what is read in them",
    "samples/reconstructions.png": "held-out images over what came back of them",
    "samples/mistakes.png": "the surest of its mistakes",
    "curves.png": "loss and speed over training",
}


def figures(evaluation: Mapping[str, Any]) -> str:
    """The metrics of an evaluation.json as a table, each with its interval and its comparisons."""
    own, others = columns(evaluation)
    rows = [
        [
            name.replace("_", " "),
            _number(value),
            _range(own.intervals.get(name)),
            *(_number(other.metrics.get(name)) for other in others),
        ]
        for name, value in own.metrics.items()
    ]
    if not rows:
        return ""
    protocol = evaluation.get("protocol", {})
    how = ", ".join(
        f"{key.replace('_', ' ')} {protocol[key]}"
        for key in ("num", "held_out", "weights", "seed")
        if key in protocol
    )
    head = ["", own.title.lower(), "95 %", *(other.title.lower() for other in others)]
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            f"{cell:>{width}}" if place else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    return "\n".join([f"Measured ({how}):", *(f"  {line}" for line in lines), *_alarms(evaluation)])


def scores(evaluation: Mapping[str, Any]) -> str:
    """The likelihood of an evaluation.json in words."""
    first, *others = sentences(evaluation["likelihood"])
    return "\n".join([first, *(f"  {text}" for text in others)])


def _alarms(evaluation: Mapping[str, Any]) -> list[str]:
    checks = evaluation.get("checks", {})
    said = []
    if checks.get("informative") is False:
        unseen = ", ".join(checks.get("not_registered", [])).replace("_", " ")
        said.append(f"! The features do not register {unseen}: distances mean little on this data.")
    if checks.get("memorisation", {}).get("alarm"):
        said.append("! Samples lie closer to training images than unseen real ones do: copying.")
    return said


def next_steps(folder: Path, answers: Answer) -> str:
    """The files of a run worth opening, and the command that uses what it answers."""
    found = {name: about for name, about in _WORTH_OPENING.items() if (folder / name).is_file()}
    width = max((len(str(folder / name)) for name in found), default=0)
    lines = [f"  {folder / name!s:<{width}}  {about}" for name, about in found.items()]
    opening = ["Open:", *lines] if lines else []
    own = use(answers, str(folder), items=items_of(folder), prompt=prompt_of(folder))
    return "\n".join([*opening, f"Use: {own.command}"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


def _range(interval: Sequence[float] | None) -> str:
    return "" if not interval else f"{interval[0]:,.4g} to {interval[1]:,.4g}"
