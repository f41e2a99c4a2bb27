"""What a text is called on a page: itself, on one line, and cut where it is long."""

from __future__ import annotations

LONGEST = 60  # characters of a heading, or of a row's name


def title_of(text: str) -> str:
    """The text with each of its blanks as one space; of a longer one the beginning, and `…`."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
