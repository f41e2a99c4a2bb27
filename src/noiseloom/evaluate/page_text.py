"""The report's texts: what a run writes, and what it makes of single held-out items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from noiseloom.evaluate.facts import Facts

MOST_SHOWN, MOST_ROWS, MOST_CHARACTERS = 4_000, 12, 400
TITLES = {
    "text": "How it goes on",
    "translations": "Translations",
    "spans": "Answers",
    "numbers": "Estimates",
    "classes": "Single texts",
}
COLUMNS = {
    "text": ("Held-out text", "how it goes on", "how the model goes on"),
    "translations": ("Held-out text", "reference", "translation"),
    "spans": ("Asked", "right", "found"),
    "numbers": ("Held-out text", "truth", "estimate"),
    "classes": ("Held-out text", "label", "read"),
}
KEYS = ("input", "expected", "output")
PARTED = "¶ "  # stands for a line's end in a table


def written(facts: Facts) -> str:
    """`samples/final.txt` as it is."""
    text = facts.written
    if not text.strip():
        return ""
    shown = text[:MOST_SHOWN].rstrip()
    more = "\n…" if len(text.rstrip()) > len(shown) else ""
    return (
        f'<h2>What it writes</h2><pre class="text">{escape(shown)}{more}</pre>'
        '<p class="note">By the finished run, not picked by hand.</p>'
    )


def examples(facts: Facts) -> str:
    """Held-out items with what should come out and what does, and the surest mistakes."""
    checks = facts.evaluation.get("checks") or {}
    shown = [_table(facts, rows) for rows in [_rows(checks.get("examples"))] if rows]
    if mistakes := _rows(checks.get("mistakes")):
        shown.append(
            f"<h3>Surest mistakes</h3>{_table(facts, mistakes)}"
            '<p class="note">Some may be the data\'s, wrongly labelled.</p>'
        )
    title = TITLES.get(facts.answers)
    return f"<h2>{title}</h2>{''.join(shown)}" if title and shown else ""


def _rows(found: Any) -> list[Mapping[str, Any]]:
    """The rows that have something to show; a damaged file may hold anything."""
    rows = found if isinstance(found, list) else []
    return [row for row in rows if isinstance(row, dict) and any(key in row for key in KEYS)]


def _table(facts: Facts, rows: Sequence[Mapping[str, Any]]) -> str:
    names = COLUMNS.get(facts.answers, ("Input", "expected", "output"))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_short(row.get(key)))}</td>' for key in KEYS)}</tr>"
        for row in rows[:MOST_ROWS]
    )
    return f'<table class="texts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>' + (
        f'<p class="note">The first {MOST_ROWS} of {len(rows)}.</p>'
        if len(rows) > MOST_ROWS
        else ""
    )


def _short(value: Any) -> str:
    """On one line, and no longer than one reads in a table."""
    text = PARTED.join(str("" if value is None else value).strip("\n").splitlines())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
