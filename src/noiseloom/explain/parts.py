"""What a section is made of: pictures (one, or several to turn through), texts, charts.

All text is escaped. Tables are in `tables`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import colormaps
from PIL import Image

from noiseloom.evaluate.charts import Line, line_chart
from noiseloom.media import enlarge, picture_of

HEAT = "inferno"
MORE, LESS = (31, 95, 168), (194, 80, 15)  # the page's blue and orange
SIDE = 256  # pixels that a small picture is enlarged to, about
GAP = 4  # pixels between pictures on one sheet


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
        f'<div class="turning"><button type="button" aria-label="play {_quoted(name)}" '
        f'aria-pressed="false">▶</button>'
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


def chart(title: str, lines: Sequence[Line], *, across: str, log: bool = False) -> str:
    """Lines over what `across` names; below it what they tell and, of several, which is which."""
    keys = [f'<i class="key {line.kind}"></i>{escape(line.name)}' for line in lines]
    told = [f"{escape(title)}, by {escape(across)}", *(keys if len(keys) > 1 else [])]
    caption = "".join(f"<span>{one}</span>" for one in told)
    drawn = line_chart(title, lines, log, across=across)
    return f'<figure class="square">{drawn}<figcaption class="keys">{caption}</figcaption></figure>'


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


def tiled(rows: Sequence[Sequence[np.ndarray]], width: int) -> Image.Image:
    """Images (H, W, C) of one size, uint8, in rows and apart, about `width` pixels wide in all."""
    scale = max(1, round(width / (rows[0][0].shape[1] * len(rows[0]))))
    pictures = [[enlarge(picture_of(image), scale) for image in row] for row in rows]
    across, down = (side + GAP for side in pictures[0][0].size)
    size = (across * max(map(len, rows)) - GAP, down * len(rows) - GAP)
    is_grey = all(picture.mode == "L" for row in pictures for picture in row)
    sheet = Image.new("L" if is_grey else "RGB", size, "white")
    for place, row in enumerate(pictures):
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * across, place * down))
    return sheet


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
