"""Figures of a run beside those of plain methods learned from the same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "baseline_"


@dataclass(frozen=True)
class Figures:
    """Figures by name, each with its 95 % interval where there is one."""

    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """As evaluation.json holds them."""
        return {
            "metrics": dict(self.metrics),
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
        }


def beside(
    own: Figures,
    baselines: Mapping[str, Figures],
    *,
    protocol: Mapping[str, Any],
    checks: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of evaluation.json.

    Among the metrics each of the first baseline's stands as `baseline_<name>`; all baselines are
    whole under `baselines`. The first is the one to beat.
    """
    result = own.to_mapping()
    for first in list(baselines.values())[:1]:
        result["metrics"] |= {f"{PREFIX}{name}": value for name, value in first.metrics.items()}
    return {
        **result,
        "baselines": {name: figures.to_mapping() for name, figures in baselines.items()},
        "protocol": dict(protocol),
        "checks": dict(checks),
    }
