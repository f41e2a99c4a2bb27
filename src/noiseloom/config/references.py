"""Naming another run that a run needs: a teacher, a guide, an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from noiseloom.config.schema import join, option


@dataclass(frozen=True, kw_only=True)
class RunReference:
    """Another run, of which a checkpoint's weights are used as they are.

    `runs.references` keeps a copy of them in the run that names it, and hands the frozen model to
    the task's `build`, under the dotted key of the field that holds this.
    """

    run: str = option(help="the other run's folder")
    checkpoint: int | None = option(None, "the step of its checkpoint; null: the newest")
    raw: bool = option(False, "its weights themselves, not their average")


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An earlier checkpoint of the same run, the kept one nearest to `at`."""

    at: float = option(0.3, "below 1 a share of the run's steps, from 1 on a step")

    def __post_init__(self) -> None:
        if not self.at > 0 or (self.at >= 1 and not float(self.at).is_integer()):
            raise ValueError(
                f"at is {self.at}; allowed is a share of the run's steps above 0 and below 1, or "
                "a step, a whole number"
            )


def references(config: Any, path: str = "") -> dict[str, RunReference]:
    """All references in a config, by dotted key."""
    found: dict[str, RunReference] = {}
    for field in fields(config):
        value, key = getattr(config, field.name), join(path, field.name)
        if isinstance(value, RunReference):
            found[key] = value
        elif is_dataclass(value):
            found |= references(value, key)
    return found
