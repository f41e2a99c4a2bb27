"""Options of a view, as they are typed and as they fit a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from noiseloom.errors import InputError

NO_DENOISER = "this run is no denoiser, which knows times"  # why `times` is refused


def refuse(given: Mapping[str, object], why: str) -> None:
    """InputError for the first option that has a value; `why` says what it would be of.

    What says nothing of the run at hand is refused, never ignored.
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}={_typed(value)} is given, and {why}; leave it out")


def as_words(config: type, options: Sequence[str]) -> list[str]:
    """`key=value` options, where those of `config` that hold text do so whatever they look like.

    `of=3` is the class named 3, no number; what is empty, null or quoted stays as it is.
    """
    hints = get_type_hints(config)
    read = []
    for option in options:
        key, equals, value = option.partition("=")
        is_text = hints.get(key.strip()) == (str | None)
        if is_text and value.strip() not in ("", "null", "~") and value.strip()[0] not in "'\"":
            value = json.dumps(value.strip(), ensure_ascii=False)
        read.append(f"{key}{equals}{value}")
    return read


def _typed(value: Any) -> str:
    """A value as it is given on the command line."""
    if isinstance(value, tuple):
        return f"[{', '.join(f'{one:g}' for one in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)
