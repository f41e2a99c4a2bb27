"""What an evaluation found: figures of the samples, each beside what real data scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noiseloom.evaluate.resampling import Interval, spread


class Findings:
    """Collects figures under their names, and gives the content of evaluation.json."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.floor: dict[str, float] = {}
        self.intervals: dict[str, list[float]] = {}
        self.floor_intervals: dict[str, list[float]] = {}

    def add(self, name: str, value: float, interval: Interval | None = None) -> None:
        """The samples' figure, and the 95 % interval it is uncertain within."""
        self.metrics[name] = value
        if interval is not None:
            self.intervals[name] = list(interval)

    def add_real(self, name: str, draws: Sequence[float], interval: Interval | None = None) -> None:
        """The figure of each draw of real data: their mean is the floor, 95 % lie in `interval`."""
        self.floor[name] = float(np.mean(draws))
        interval = interval or spread(draws)
        if interval is not None:
            self.floor_intervals[name] = list(interval)

    def to_mapping(self, protocol: Mapping[str, Any], checks: Mapping[str, Any]) -> dict[str, Any]:
        """Figures without a floor and floors without a figure are kept out of each other's way."""
        return {
            "metrics": self.metrics,
            "floor": {name: self.floor[name] for name in self.metrics},
            "intervals": self.intervals,
            "floor_intervals": {k: v for k, v in self.floor_intervals.items() if k in self.metrics},
            "protocol": dict(protocol),
            "checks": dict(checks),
        }
