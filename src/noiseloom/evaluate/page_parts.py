"""What the report's sections are made of: pictures, tables of keys and values, folded parts."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from noiseloom.evaluate.facts import Facts

MOST_BYTES = 3_000_000  # of a picture; a larger one is shrunk
SHRUNK_WIDTH = 1_400


def details(summary: str, content: str) -> str:
    if not content:
        return ""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def pairs(mapping: Mapping[str, Any]) -> str:
    """A table of keys and values; values within values are written as JSON."""
    if not mapping:
        return ""
    rows = []
    for name, value in mapping.items():
        if isinstance(value, float | int) and not isinstance(value, bool):
            text = f"{value:,}" if isinstance(value, int) else f"{value:g}"
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words = escape(str(name).replace("_", " "))
        rows.append(f'<tr><th scope="row">{words}</th><td>{escape(text)}</td></tr>')
    return f'<table class="plain"><tbody>{"".join(rows)}</tbody></table>'


def picture(path: Path, alt: str, caption: str) -> str:
    """A picture inside the page; nothing where the file is no picture."""
    try:
        with Image.open(path) as picture:
            picture.verify()
            width, height, kind = picture.width, picture.height, str(picture.format).lower()
        content = path.read_bytes()
        if len(content) > MOST_BYTES and kind != "gif":
            content, width, height = _shrunk(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    if len(content) > 2 * MOST_BYTES:
        text = f"{caption} It is too large for this page: samples/{path.name}."
        return f"<p>{escape(text)}</p>"
    data = base64.b64encode(content).decode()
    return (
        f'<figure><span class="picture"><img src="data:image/{kind};base64,{data}" width="{width}" '
        f'height="{height}" alt="{escape(alt, quote=True)}"></span>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def picture_of(facts: Facts, name: str, alt: str, caption: str) -> str:
    """A picture of the run inside the page; nothing where it is not there."""
    path = facts.picture(name)
    return picture(path, alt, caption) if path else ""


def _shrunk(path: Path) -> tuple[bytes, int, int]:
    with Image.open(path) as picture:
        picture.thumbnail((SHRUNK_WIDTH, 4 * SHRUNK_WIDTH))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", optimize=True)
        return buffer.getvalue(), picture.width, picture.height
