"""What a run has come to, in words: its figures beside their floors, and what to open next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WORTH_OPENING = {
    "report.html": "everything on one page",
    "samples/final.png": "a sheet of samples",
    "samples/denoising.gif": "from noise to samples",
    "curves.png": "loss and speed over training",
}


def figures(evaluation: Mapping[str, Any]) -> str:
    """The metrics of an evaluation.json as a table, real data's own figure beside each."""
    metrics, floor = evaluation.get("metrics", {}), evaluation.get("floor", {})
    rows = [("", "samples", "real data")]
    for name, value in metrics.items():
        if isinstance(value, int | float):
            rows.append((name.replace("_", " "), _number(value), _number(floor.get(name))))
    if len(rows) == 1:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows
    )


def next_steps(folder: Path) -> str:
    """The files of a run worth opening, and the commands that go on from it."""
    found = {name: about for name, about in _WORTH_OPENING.items() if (folder / name).is_file()}
    width = max((len(str(folder / name)) for name in found), default=0)
    lines = [f"  {folder / name!s:<{width}}  {about}" for name, about in found.items()]
    opening = ["Open:", *lines] if lines else []
    return "\n".join([*opening, f"Sample: noiseloom sample {folder} --num 64 --out samples.png"])


def _number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, int | float) else "–"
