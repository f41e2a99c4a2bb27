"""What a verb says: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer


def process() -> int:
    """The place of this process among those that `torchrun` started, 0 if alone."""
    return int(os.environ.get("RANK", "0"))


def answer(text: str, document: Mapping[str, Any], as_json: bool) -> None:
    """A verb's result: for people, or as JSON with the words for people beside it."""
    if as_json:
        emit(document)
    elif process() == 0:
        typer.echo(text)


def emit(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document on standard output; numbers that are not finite become null."""
    if process() == 0:
        typer.echo(json.dumps(_finite(document), indent=1, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """A line for people, on standard error; of several processes the first speaks."""
    if process() == 0:
        typer.echo(text, err=True)


def close_output() -> None:
    """Let go of a standard output that nobody reads, so that Python's exit does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
