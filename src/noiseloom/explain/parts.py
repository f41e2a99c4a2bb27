"""What a section is made of: pictures (one, or several to turn through), texts, tables.

All text is escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib import colormaps
from PIL import Image

from noiseloom.evaluate.charts import Line, line_chart
from noiseloom.media import enlarge, picture_of

HEAT = "inferno"
MORE, LESS = (31, 95, 168), (194, 80, 15)  # the page's blue and orange
SIDE = 256  # pixels that a small picture is enlarged to, about


@dataclass(frozen=True)
class Cell:
    """A cell of a shaded table: words, how it is coloured, and more for who points at it.

    `share` is from -1 (orange) over 0 (none) to 1 (blue).
    """

    words: str
    share: float = 0.0
    more: str = ""


def shown(picture: Image.Image, alt: str, caption: str = "") -> str:
    """A picture as it is, with words for those who do not see it."""
    return f"<figure>{_framed(_image(picture, alt))}{_caption(caption)}</figure>"


def turned(
    pictures: Sequence[Image.Image], labels: Sequence[str], alt: str, caption: str = ""
) -> str:
    """Pictures of one size in one place, turned through by a slider, by keys, or played.

    `labels` say what each is. Without scripts the first is seen.
    """
    _check_labels(len(pictures), "pictures", labels)
    images = "".join(
        _image(picture, f"{alt}: {label}", hidden=number > 0)
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True))
    )
    return _turned(_framed(images), labels, alt, caption)


def turned_texts(texts: Sequence[str], labels: Sequence[str], name: str, caption: str = "") -> str:
    """Texts in one place, turned through as `turned` pictures are; each is HTML, as of `marked`."""
    _check_labels(len(texts), "texts", labels)
    shown = "".join(
        f'<div class="text"{" hidden" if number else ""}>{one}</div>'
        for number, one in enumerate(texts)
    )
    return _turned(shown, labels, name, caption)


def _check_labels(number: int, what: str, labels: Sequence[str]) -> None:
    if number != len(labels):
        raise ValueError(f"{number} {what} are given with {len(labels)} labels; allowed is as many")


def _turned(shown: str, labels: Sequence[str], name: str, caption: str) -> str:
    marks = "".join(f"<li>{escape(label)}</li>" for label in labels)
    return (
        f'<figure class="turned">{shown}'
        f'<div class="turning"><button type="button" aria-label="play or stop">▶</button>'
        f'<input type="range" min="0" max="{len(labels) - 1}" value="0" '
        f'aria-label="{_quoted(name)}">'
        f"<output>{escape(labels[0])}</output></div><ol hidden>{marks}</ol>"
        f"{_caption(caption)}</figure>"
    )


def row(parts: Sequence[str], *, wide: bool = False, together: bool = False) -> str:
    """Parts side by side as far as there is room; `together`, those that turn do so as one."""
    kind = f"row{' wide' if wide else ''}{' together' if together else ''}"
    return f'<div class="{kind}">{"".join(parts)}</div>'


def text(words: str, kind: str = "") -> str:
    """A paragraph."""
    return f"<p{_class(kind)}>{escape(words)}</p>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str | float]], caption: str = "") -> str:
    """A table whose first column names its rows; numbers as they are given or to four digits."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(_told(cell))}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{escape(_told(first))}</th>{cells}</tr>')
    words, name = f"<caption>{escape(caption)}</caption>" if caption else "", caption or heads[0]
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{_quoted(name)}">'
        f'<table class="plain">{words}<thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def matrix(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, caption: str) -> str:
    """A table of words by words whose cells are coloured by `values` (rows, columns), 0 to 1.

    Each cell tells its value as a title, and in words to those who do not see it.
    """
    top = "".join(f'<th scope="col"><span>{escape(one)}</span></th>' for one in columns)
    is_short = max(map(len, columns)) <= 2
    lines = []
    for name, line in zip(rows, values.tolist(), strict=True):
        cells = "".join(
            f'<td style="--share:{min(1.0, value):.2f}" title="{value:.3f}">'
            f'<span class="unseen">{value:.2f}</span></td>'
            for value in line
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{_quoted(caption)}">'
        f'<table class="matrix"><caption>{escape(caption)}</caption>'
        f"<thead{_class('short' if is_short else '')}><tr><td></td>{top}</tr>"
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def shaded(
    heads: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]], caption: str = ""
) -> str:
    """A table whose cells are coloured by what they hold; the first column names the rows."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = []
    for name, cells in rows:
        line = "".join(
            f'<td class="shade {"more" if cell.share >= 0 else "less"}" '
            f'style="--share:{min(1.0, abs(cell.share)):.2f}" title="{_quoted(cell.more)}">'
            f"{escape(cell.words)}</td>"
            for cell in cells
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{line}</tr>')
    words, name = f"<caption>{escape(caption)}</caption>" if caption else "", caption or heads[0]
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{_quoted(name)}">'
        f'<table class="plain shaded">{words}<thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def heated(
    heads: Sequence[str],
    rows: Sequence[tuple[str, Sequence[tuple[str, str, float]]]],
    caption: str,
) -> str:
    """A table whose cells are coloured: each says something, a smaller thing, and its share.

    The share, from 0 to 1, is how full the cell's colour is.
    """
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = []
    for name, cells in rows:
        told = "".join(
            f'<td class="heated" style="--share:{min(1.0, max(0.0, share)):.2f}">{escape(words)}'
            f"<small>{escape(smaller)}</small></td>"
            for words, smaller, share in cells
        )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{told}</tr>')
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{_quoted(caption)}">'
        f'<table class="plain"><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def chart(title: str, lines: Sequence[Line], *, across: str, log: bool = True) -> str:
    """Lines over what `across` names, with their names below."""
    keys = "".join(
        f'<span><i class="key {line.kind}"></i>{escape(line.name)}</span>' for line in lines
    )
    drawn = line_chart(title, lines, log, across=across)
    return f'<figure class="square">{drawn}<figcaption class="keys">{keys}</figcaption></figure>'


def marked(
    pieces: Sequence[str],
    weights: Sequence[float],
    limit: float | None = None,
    titles: Sequence[str] | None = None,
) -> str:
    """A text whose pieces are coloured by weight: blue above 0, orange below, pale at 0.

    Each piece tells its title, or its weight where there are none; `limit` is the weight of the
    full colour. Blanks before a piece are not coloured.
    """
    largest = max((abs(weight) for weight in weights), default=0.0) if limit is None else limit
    told = [f"{weight:+.3g}" for weight in weights] if titles is None else titles
    spans = []
    for piece, weight, title in zip(pieces, weights, told, strict=True):
        share = min(1.0, abs(weight) / largest) if largest else 0.0
        sign = "more" if weight >= 0 else "less"
        before = piece[: len(piece) - len(piece.lstrip())]
        spans.append(
            f'{before}<mark class="{sign}" style="--share:{share:.2f}" title="{_quoted(title)}">'
            f"{escape(piece[len(before) :])}</mark>"
        )
    return f'<p class="marked">{"".join(spans)}</p>'


def heat(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Values (H, W) as colours (H, W, 3) uint8: dark at `low`, light at `high`."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    scaled = np.clip((values - low) / (high - low or 1.0), 0, 1)
    return (colormaps[HEAT](scaled)[..., :3] * 255).round().astype(np.uint8)


def signed(values: np.ndarray, limit: float | None = None) -> np.ndarray:
    """Values (H, W) as colours (H, W, 3) uint8: blue above 0, orange below, white at 0.

    `limit` is the value of the full colour.
    """
    limit = float(np.abs(values).max()) if limit is None else limit
    share = np.clip(values / (limit or 1.0), -1, 1)[..., None]
    tone = np.where(share >= 0, np.array(MORE), np.array(LESS))
    return (255 + (tone - 255) * np.abs(share)).round().astype(np.uint8)


def overlay(image: np.ndarray, values: np.ndarray, high: float | None = None) -> np.ndarray:
    """An image (H, W, C) uint8, dimmed where `values` (H, W), 0 to `high`, are small.

    What has the highest value is seen as it is, under a glow of the heat's colour.
    """
    colours = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    high = float(values.max()) if high is None else high
    share = np.clip(values / (high or 1.0), 0, 1)[..., None]
    glow = heat(values, 0.0, high).astype(np.float64)
    mixed = colours * (0.25 + 0.45 * share) + glow * (0.1 + 0.4 * share)
    return np.clip(mixed, 0, 255).round().astype(np.uint8)


def enlarged(image: np.ndarray, side: int = SIDE) -> Image.Image:
    """An image (H, W, C) uint8 as a picture, each pixel a square, about `side` pixels wide."""
    return enlarge(picture_of(image), max(1, round(side / image.shape[1])))


def _image(picture: Image.Image, alt: str, *, hidden: bool = False) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{picture.width}" height="{picture.height}"'
    return (
        f'<img src="data:image/png;base64,{data}" {size} '
        f'alt="{_quoted(alt)}"{" hidden" if hidden else ""}>'
    )


def _framed(inside: str) -> str:
    return f'<span class="picture">{inside}</span>'


def _caption(caption: str) -> str:
    return f"<figcaption>{escape(caption)}</figcaption>" if caption else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _quoted(words: str) -> str:
    return escape(words, quote=True)


def _told(cell: str | float) -> str:
    return (
        cell if isinstance(cell, str) else f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}"
    )
