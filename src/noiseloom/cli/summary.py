"""What a run has come to, in words: its figures beside their floors, and what to open next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WORTH_OPENING = {
    "report.html": "everything on one page",
    "samples/final.png": "a sheet of samples",
    "samples/denoising.gif": "from noise to samples",
    "curves.png": "loss and speed over training",
}


def figures(evaluation: Mapping[str, Any]) -> str:
    """The metrics of an evaluation.json as a table, each with its interval and real data's own."""
    metrics, floor = evaluation.get("metrics", {}), evaluation.get("floor", {})
    intervals, protocol = evaluation.get("intervals", {}), evaluation.get("protocol", {})
    rows = [
        (name.replace("_", " "), _number(value), _range(intervals.get(name)), _number(floor[name]))
        for name, value in metrics.items()
        if name in floor
    ]
    if not rows:
        return ""
    how = ", ".join(
        f"{key} {protocol[key]}" for key in ("num", "weights", "seed") if key in protocol
    )
    table = [("", "samples", "95 %", "real data"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{row[k]:>{widths[k]}}" for k in (1, 2, 3))])
        for row in table
    ]
    return "\n".join([f"Measured ({how}):", *(f"  {line}" for line in lines), *_alarms(evaluation)])


def _alarms(evaluation: Mapping[str, Any]) -> list[str]:
    checks = evaluation.get("checks", {})
    said = []
    if checks.get("informative") is False:
        unseen = ", ".join(checks.get("not_registered", [])).replace("_", " ")
        said.append(f"! The features do not register {unseen}: distances mean little on this data.")
    if checks.get("memorisation", {}).get("alarm"):
        said.append("! Samples lie closer to training images than unseen real ones do: copying.")
    return said


def next_steps(folder: Path) -> str:
    """The files of a run worth opening, and the commands that go on from it."""
    found = {name: about for name, about in _WORTH_OPENING.items() if (folder / name).is_file()}
    width = max((len(str(folder / name)) for name in found), default=0)
    lines = [f"  {folder / name!s:<{width}}  {about}" for name, about in found.items()]
    opening = ["Open:", *lines] if lines else []
    return "\n".join([*opening, f"Sample: noiseloom sample {folder} --num 64 --out samples.png"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


def _range(interval: Sequence[float] | None) -> str:
    return "" if not interval else f"{interval[0]:,.4g} to {interval[1]:,.4g}"
