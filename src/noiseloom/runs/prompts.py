"""Prompts out of a file: a line each, or JSON lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseloom.errors import InputError

KEYS = ("prompt", "text")  # of JSON lines, the first of them that is there


@dataclass(frozen=True)
class Prompt:
    """A prompt, and what belongs to it: `row` is its JSON line, or itself as one."""

    text: str
    row: dict[str, Any]
    place: str  # FILE:LINE


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file: of `.jsonl` the values of "prompt" or "text", else whole lines.

    Empty lines of JSON are passed over; those of text are empty prompts. Raises InputError that
    names file and line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if lines[-1] == b"":
        lines.pop()
    is_json = path.suffix in (".jsonl", ".json")
    prompts = []
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number}"
        text = _decoded(line.removesuffix(b"\r"), place)
        if not is_json:
            prompts.append(Prompt(text, {"prompt": text}, place))
        elif text.strip():
            row = _row(text, place)
            prompts.append(Prompt(_prompt_of(row, place), row, place))
    if not prompts:
        raise InputError(f"{path} holds no prompt; give it a line for each")
    return prompts


def _decoded(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place}: byte 0x{line[error.start]:02x} is not valid UTF-8. Save the file as UTF-8"
        ) from error


def _row(text: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: this line is no JSON ({error.msg})") from error
    if not isinstance(row, dict):
        raise InputError(f'{place}: a line such as {{"prompt": "…"}} is needed, not {text[:40]}')
    return row


def _prompt_of(row: dict[str, Any], place: str) -> str:
    for key in KEYS:
        if key in row:
            if not isinstance(row[key], str):
                raise InputError(f'{place}: "{key}" is {row[key]!r}; it must be text')
            return str(row[key])
    raise InputError(f'{place}: none of its keys ({", ".join(row)}) is "prompt" or "text"')
