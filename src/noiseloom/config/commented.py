"""A config as a recipe to read and change: every key, with what it means beside it."""

from __future__ import annotations

from typing import Any

from noiseloom.config.document import write_value
from noiseloom.config.schema import describe

_COLUMN = 36


def write_commented(config: Any) -> str:
    """Every value of a config as YAML that reads back unchanged, its one-line help as a comment."""
    lines: list[str] = []
    opened: list[str] = []
    for entry in describe(config):
        *sections, key = entry.key.split(".")
        while opened != sections[: len(opened)]:
            opened.pop()
        for section in sections[len(opened) :]:
            lines.append("  " * len(opened) + f"{section}:")
            opened.append(section)
        if entry.is_choice and entry.default is not None:
            lines.append("  " * len(opened) + f"{key}:")
            opened.append(key)
            key = "name"
        value = f"{'  ' * len(opened)}{key}: {write_value(entry.default)}"
        about = f"{entry.help} ({entry.type})" if entry.is_choice else entry.help
        lines.append(f"{value:<{_COLUMN}}  # {about}" if about else value)
    return "\n".join(lines) + "\n"
