"""The report's prompts: each beside the picture drawn for it, what is in that; right or not."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page_parts import details

FILE = "prompts.png"  # the pictures one below another, in the order of the examples
WIDTH = 96  # of a picture on the page
MOST_SHOWN = 12  # the others are folded away
KINDS = {
    "held out": "a pair of colour and shape never seen in training",
    "one more": "one object more than training ever shows",
}


def prompts(facts: Facts) -> str:
    """Held-in and held-out prompts as they came, not picked; nothing where none were judged."""
    examples = (facts.evaluation.get("checks") or {}).get("prompts")
    rows = [row for row in examples if isinstance(row, dict)] if isinstance(examples, list) else []
    path = facts.picture(FILE)
    pictures = _pictures(path, len(rows)) if path else []
    if not rows or len(pictures) != len(rows):
        return ""
    shown = [_row(row, picture) for row, picture in zip(rows, pictures, strict=True)]
    more = details(f"{len(shown) - MOST_SHOWN} more", _table(shown[MOST_SHOWN:]))
    note = "Prompts nobody picked, and what the rules that judge read in each picture."
    return (
        f"<h2>What was asked for, and what came</h2>{_table(shown[:MOST_SHOWN])}"
        f'{more if len(shown) > MOST_SHOWN else ""}<p class="note">{note}</p>'
    )


def _table(rows: list[str]) -> str:
    heads = ("Picture", "Prompt", "Found", "Right")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(rows)
    return f'<table class="prompts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _row(row: dict[str, Any], picture: str) -> str:
    prompt, found = str(row.get("prompt", "")), str(row.get("found", ""))
    is_right = bool(row.get("is_right"))
    if more := KINDS.get(str(row.get("kind")), ""):
        more = f'<span class="meaning">{more}</span>'
    wrong = ", ".join(map(str, row.get("wrong") or []))
    level, mark, said = ("good", "✓", "all") if is_right else ("bad", "✗", f"wrong: {wrong}")
    return (
        f'<tr><td><img src="data:image/png;base64,{picture}" width="{WIDTH}" height="{WIDTH}" '
        f'alt="Drawn for: {escape(prompt, quote=True)}"></td><td>{escape(prompt)}'
        f"{more}</td><td>{escape(found)}</td>"
        f'<td class="{level}"><span class="mark" aria-hidden="true">{mark}</span> {escape(said)}'
        "</td></tr>"
    )


def _pictures(path: Path, count: int) -> list[str]:
    """Each picture of the file as a PNG in base64; none where the file is another or damaged."""
    try:
        with Image.open(path) as sheet:
            if sheet.height != count * sheet.width:
                return []
            side = sheet.width
            parts = [sheet.crop((0, i * side, side, (i + 1) * side)) for i in range(count)]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []
    encoded = []
    for part in parts:
        buffer = io.BytesIO()
        part.save(buffer, format="PNG", optimize=True)
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    return encoded
