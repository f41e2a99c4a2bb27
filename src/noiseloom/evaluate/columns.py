"""The figures of an evaluation.json side by side: the run's own, and those they stand beside.

Samples stand beside what real data scores, predictions beside plain baselines, reconstructions
beside both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noiseloom.evaluate.beside import PREFIX


@dataclass(frozen=True)
class Column:
    """Figures by name, each with its 95 % interval where there is one.

    `legend` is the sentence under the table on what this column's figures and intervals are, empty
    for the run's own.
    """

    title: str
    metrics: Mapping[str, Any]
    intervals: Mapping[str, Any]
    legend: str = ""


def columns(evaluation: Mapping[str, Any]) -> tuple[Column, list[Column]]:
    """The run's own column, and at least one of what it is compared with."""
    metrics, intervals = evaluation.get("metrics") or {}, evaluation.get("intervals") or {}
    if baselines := evaluation.get("baselines"):
        metrics = {name: value for name, value in metrics.items() if not name.startswith(PREFIX)}
        others = [
            Column(
                name.capitalize(),
                one.get("metrics") or {},
                one.get("intervals") or {},
                f"{name}, with its 95 % interval",
            )
            for name, one in baselines.items()
        ]
        others += [_real(evaluation)] if evaluation.get("floor") else []
        return Column("This model", metrics, intervals), others
    real = _real(evaluation)
    return Column("Samples", metrics, intervals), [real]


def _real(evaluation: Mapping[str, Any]) -> Column:
    return Column(
        "Real data",
        evaluation.get("floor") or {},
        evaluation.get("floor_intervals") or {},
        "what real data scores, and the range 95 % of draws fall in",
    )
