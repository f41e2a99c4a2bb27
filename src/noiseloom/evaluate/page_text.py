"""The report's texts: what a run writes, and what it makes of single held-out items."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from noiseloom.evaluate.facts import Facts
from noiseloom.networks import Answer

MOST_SHOWN, MOST_ROWS, MOST_CHARACTERS = 4_000, 12, 400
Shown = tuple[str, dict[str, str]]

TABLES: dict[Answer, Shown] = {  # by what comes out: the title, and of each column key and head
    "text": (
        "How it goes on",
        {"input": "Held-out text", "expected": "How it goes on", "output": "What the model says"},
    ),
    "masks": (
        "Behind the masks",
        {"input": "Held-out text", "expected": "Behind the masks", "output": "What the model says"},
    ),
    "translations": (
        "Translations",
        {"input": "Held-out text", "expected": "Reference", "output": "Translation"},
    ),
    "spans": (
        "Answers",
        {
            "question": "Question",
            "answers": "Right",
            "answer": "Found",
            "baseline_answer": "Found by longest match",
        },
    ),
    "numbers": (
        "Single texts",
        {"input": "Held-out text", "expected": "Truth", "output": "Estimate"},
    ),
    "classes": (
        "Single texts",
        {"input": "Held-out text", "expected": "Label", "output": "Read"},
    ),
}
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
    if facts.answers not in TABLES:
        return ""
    (title, columns), checks = TABLES[facts.answers], facts.evaluation.get("checks") or {}
    shown = _table(columns, checks.get("examples"))
    if mistakes := _table(columns, checks.get("mistakes")):
        said = "Some may be the data's, wrongly labelled."
        shown += f'<h3>Surest mistakes</h3>{mistakes}<p class="note">{escape(said)}</p>'
    return f"<h2>{title}</h2>{shown}" if shown else ""


def _table(columns: Mapping[str, str], found: Any) -> str:
    """A row for each of the first of `found` that has something in a column."""
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    rows = [row for row in rows if columns.keys() & row.keys()]
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns.values())
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_short(row.get(key)))}</td>' for key in columns)}</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = f"The first {MOST_ROWS} of {len(rows)}." if len(rows) > MOST_ROWS else ""
    return (
        f'<table class="texts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f'<p class="note">{more}</p>'
    )


def _short(value: Any) -> str:
    """On one line, and no longer than one reads in a table; of several the first is enough."""
    if isinstance(value, list):
        value = value[0] if value else ""
    text = PARTED.join(str("" if value is None else value).strip("\n").splitlines())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
