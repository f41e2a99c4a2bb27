"""Tables of a page: words and numbers, and cells that are coloured by what they hold.

All text is escaped. A table scrolls by itself where it is wider than the page, by keys too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SHORT = 2  # letters of the heads of a dense table that need not stand upright
LONG = 16  # letters of a row's name above which it is given room


@dataclass(frozen=True)
class Cell:
    """A cell that says more than its words: by its colour, below them, and where one points at it.

    `share` is from -1 (orange) over 0 (none) to 1 (blue); what lies beyond is cut there.
    """

    words: str
    share: float = 0.0
    below: str = ""
    more: str = ""


Filled = str | int | float | Cell
"""What a cell may be filled with; a number is told to four digits."""


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Filled]],
    caption: str,
    *,
    is_dense: bool = False,
) -> str:
    """A table whose first column names its rows, under a caption that says what is in it.

    A dense one is of small squares of colour under heads that stand upright: their words are for
    who points at them, and for who does not see them.
    """
    named = escape(caption, quote=True)
    longest = max((len(_told(name)) for name, *_ in rows), default=0)
    look = _dense_look(heads) if is_dense else " lengthy" if longest > LONG else ""
    top = "".join(
        f'<th scope="col"><span>{escape(head)}</span></th>' if head else "<td></td>"
        for head in heads
    )
    lines = "".join(
        f'<tr><th scope="row">{escape(_told(name))}</th>{"".join(map(_cell, cells))}</tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{named}">'
        f'<table class="plain{look}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def counted(noun: str, number: int) -> list[str]:
    """Heads, or names of rows, that are counted from 1: `block 1`, `block 2`."""
    return [f"{noun} {count}" for count in range(1, number + 1)]


def _dense_look(heads: Sequence[str]) -> str:
    return " dense" if max(map(len, heads)) <= SHORT else " dense upright"


def _cell(held: Filled) -> str:
    if not isinstance(held, Cell):
        kind = "" if isinstance(held, str) else ' class="number"'
        return f"<td{kind}>{escape(_told(held))}</td>"
    tone, share = "more" if held.share >= 0 else "less", min(1.0, abs(held.share))
    colour = f' class="shade {tone}" style="--share:{share:.2f}"' if share else ' class="shade"'
    title = f' title="{escape(held.more, quote=True)}"' if held.more else ""
    below = f"<small>{escape(held.below)}</small>" if held.below else ""
    return f"<td{colour}{title}><span>{escape(held.words)}</span>{below}</td>"


def _told(held: Filled) -> str:
    match held:
        case Cell():
            return held.words
        case str():
            return held
        case int():
            return f"{held:,}"
    return f"{held:.4g}"
