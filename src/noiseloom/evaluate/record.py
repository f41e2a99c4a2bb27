"""What a run's folder says of it: its files, read tolerantly, and the facts drawn from them.

A run may have been stopped early or trained without evaluation: whatever is missing is just absent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Record:
    """The files of the run in `folder`."""

    folder: Path

    @cached_property
    def recipe_text(self) -> str:
        """recipe.yaml as it stands, "" where there is none."""
        path = self.folder / "recipe.yaml"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """recipe.yaml as plain values."""
        return yaml.safe_load(self.recipe_text) or {}

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self._json("environment.json")

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        return self._json("evaluation.json")

    @cached_property
    def data(self) -> dict[str, Any]:
        return self._json("data_report.json")

    @cached_property
    def metrics(self) -> list[dict[str, float]]:
        """The lines of metrics.jsonl; a torn one is left out."""
        path = self.folder / "metrics.jsonl"
        lines = []
        for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue
        return lines

    @property
    def name(self) -> str:
        return str(self.recipe.get("name", self.folder.name))

    @property
    def is_alarming(self) -> bool:
        """Whether samples are nearer to training items than unseen real ones are."""
        return bool(self.evaluation.get("checks", {}).get("memorisation", {}).get("alarm"))

    def facts(self) -> list[tuple[str, str]]:
        """Short facts for the head of a page: (what, value)."""
        counts = self.data.get("counts", {})
        last: dict[str, float] = self.metrics[-1] if self.metrics else {}
        peak = max((line.get("memory_bytes", 0) for line in self.metrics), default=0)
        settled = self.environment.get("settled", {})
        pairs = [
            ("data", self.data.get("source")),
            ("trained on", _count(counts.get("train"), "items")),
            ("held out", _count(counts.get("reference"), "items")),
            ("classes", _count(len(self.data.get("form", {}).get("class_names", [])), "")),
            ("network", self._network()),
            ("steps", _count(last.get("step"), "")),
            ("training time", duration(last["seconds"]) if "seconds" in last else None),
            ("arithmetic", settled.get("precision")),
            ("processor", self.environment.get("processor")),
            ("memory", f"{peak / 2**30:.2f} GiB" if peak else None),
        ]
        return [(what, str(value)) for what, value in pairs if value]

    def _network(self) -> str:
        network = self.recipe.get("network", {})
        sizes = [f"{key} {network[key]}" for key in ("patch", "width", "depth") if key in network]
        return " ".join([str(network.get("name", "")), ", ".join(sizes)]).strip()

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def duration(seconds: float) -> str:
    """Seconds in words: 48 s, 2 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def number(value: float) -> str:
    """A figure with four digits that count."""
    return f"{value:,.4g}"


def _count(value: float | None, noun: str) -> str | None:
    return f"{int(value):,} {noun}".strip() if value else None
