"""A vector field in the plane as a picture: arrows on a ground that is coloured by a number."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from noiseloom.explain.parts import heat

SIDE, BORDER = 280, 22  # pixels of the whole picture, and round the field
PAPER, INK = (255, 255, 255), (70, 70, 70)
HEAD = 0.32  # of an arrow's length
CLEAR = 0.55  # how much of the ground's light is left under arrows


def field_picture(
    ground: np.ndarray,
    reach: float,
    arrows: np.ndarray | None = None,
    *,
    low: float,
    high: float,
) -> Image.Image:
    """`ground` (G, G) from `low` (dark) to `high` (light), `arrows` (A, A, 2) evenly over it.

    Rows go up, columns right, from -reach to reach; an arrow of length 1 is as long as from one to
    the next, longer ones are cut there.
    """
    light = 1.0 if arrows is None else CLEAR
    colours = (heat(ground[::-1], low, high) * light).astype(np.uint8)
    inner = SIDE - 2 * BORDER
    picture = Image.new("RGB", (SIDE, SIDE), PAPER)
    field = Image.fromarray(colours).resize((inner, inner), Image.Resampling.BILINEAR)
    picture.paste(field, (BORDER, BORDER))
    draw = ImageDraw.Draw(picture)
    _axes(draw, reach)
    if arrows is not None:
        cell = inner / len(arrows)
        for row, column in np.ndindex(arrows.shape[:2]):
            middle = BORDER + (np.array([column, row]) + 0.5) * cell
            across, up = arrows[row, column] / max(1.0, float(np.hypot(*arrows[row, column])))
            start = np.array([middle[0], SIDE - middle[1]])
            _arrow(draw, start, np.array([across, -up]) * 0.9 * cell)
    return picture


def _axes(draw: ImageDraw.ImageDraw, reach: float) -> None:
    font = ImageFont.load_default(12)
    end = SIDE - BORDER
    for place, value, across in (
        (BORDER, -reach, "l"),
        (SIDE / 2, 0.0, "m"),
        (end, reach, "r"),
    ):
        draw.text((place, end + 5), f"{value:.3g}", fill=INK, font=font, anchor=f"{across}t")


def _arrow(draw: ImageDraw.ImageDraw, start: np.ndarray, along: np.ndarray) -> None:
    """A line about its middle, with a head."""
    tail, tip = start - along / 2, start + along / 2
    draw.line([*tail, *tip], fill=PAPER, width=1)
    aside = np.array([-along[1], along[0]])
    if float(np.hypot(*along)) >= 4:
        neck = tip - HEAD * along
        left, right = neck + HEAD / 2 * aside, neck - HEAD / 2 * aside
        draw.polygon([*tip, *left, *right], fill=PAPER)
