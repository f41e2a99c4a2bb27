"""A square chart of points as inline SVG, with the line on which both numbers are the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from noiseloom.evaluate.charts import Axis
from noiseloom.evaluate.wording import number

SIDE, LEFT, RIGHT, TOP, BOTTOM = 360, 48, 10, 10, 40
SMALL, LARGE = 2.5, 16.0  # radii


@dataclass(frozen=True)
class Mark:
    """A point; `weight`, between 0 and 1, makes a dot whose area is that share of the largest."""

    x: float
    y: float
    weight: float = 0.0


def scatter_chart(
    title: str,
    marks: Sequence[Mark],
    *,
    across: str,
    up: str,
    ends: tuple[float, float] | None = None,
) -> str:
    """The marks on axes of one scale, from `ends` or as far as they reach."""
    values = [value for mark in marks for value in (mark.x, mark.y)]
    low, high = ends or (min(values), max(values))
    margin = 0.0 if ends else 0.04 * (high - low) or 1.0
    x_axis = Axis(low - margin, high + margin, False, LEFT, SIDE - RIGHT)
    y_axis = Axis(low - margin, high + margin, False, SIDE - BOTTOM, TOP)
    corner = x_axis.start, y_axis.start, x_axis.end, y_axis.end
    parts = [
        f'<svg class="chart" viewBox="0 0 {SIDE} {SIDE}" role="img" '
        f'aria-label="{escape(f"{title}: {len(marks)} points", quote=True)}">'
    ]
    for tick in x_axis.ticks():
        x, y = x_axis.place(tick), y_axis.place(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{corner[2]}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{corner[1]}"/>')
        label = number(tick)
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        parts.append(f'<text x="{x:.1f}" y="{corner[1] + 16}" text-anchor="middle">{label}</text>')
    middle = (corner[0] + corner[2]) / 2
    parts.append(
        f'<text x="{middle}" y="{SIDE - 6}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="{LEFT + 6}" y="{TOP + 14}">{escape(up)}</text>'
        f'<line class="real" x1="{corner[0]}" y1="{corner[1]}" x2="{corner[2]}" y2="{corner[3]}"/>'
    )
    for mark in marks:
        radius = SMALL + (LARGE - SMALL) * math.sqrt(mark.weight)
        parts.append(
            f'<circle class="mark" cx="{x_axis.place(mark.x):.1f}" '
            f'cy="{y_axis.place(mark.y):.1f}" r="{radius:.1f}"/>'
        )
    return "".join([*parts, "</svg>"])
