"""Options of a view that say nothing of the run at hand: they are refused, never ignored."""

from __future__ import annotations

from collections.abc import Mapping

from noiseloom.errors import InputError


def refuse(given: Mapping[str, object], why: str) -> None:
    """InputError for the first option that has a value; `why` says what it would be of."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}={value} is given, and {why}; leave it out")
