"""Small charts as inline SVG: they scale with the page and take its colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from noiseloom.evaluate.wording import number

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 10, 24
MOST_POINTS = 300
LOG_RANGE = 30.0  # largest over smallest value above which an axis is logarithmic

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of (x, y); `kind` is its CSS class: raw, smooth or other."""

    name: str
    points: Sequence[Point]
    kind: str = "smooth"


@dataclass(frozen=True)
class Axis:
    """Values to pixels: linear, or logarithmic where the values span a wide range."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    def place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, self.low))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def ticks(self) -> list[float]:
        """Round values along the axis, three to six of them; on a logarithmic one three."""
        if self.log:
            first, last = math.log(self.low), math.log(self.high)
            return [math.exp(first + (last - first) * i / 2) for i in range(3)]
        rough = (self.high - self.low) / 4
        power = 10 ** math.floor(math.log10(rough))
        step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def line_chart(
    title: str,
    lines: Sequence[Line],
    log: bool = True,
    *,
    across: str = "step",
    doubling: bool = False,
) -> str:
    """Lines over training steps, or what `across` names; empty where there is nothing to draw.

    With `log` the axis is logarithmic where the values span a wide range; with `doubling` that of x
    is, whatever its range.
    """
    lines = [Line(line.name, thin(line.points), line.kind) for line in lines if line.points]
    if not any(len(line.points) > 1 for line in lines):
        return ""
    xs = [x for line in lines for x, _ in line.points]
    ys = sorted(y for line in lines for _, y in line.points)
    x_axis = Axis(min(xs), max(xs), doubling, LEFT, WIDTH - RIGHT)
    y_axis = y_axis_of(ys, log)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(_spoken(title, lines, across), quote=True)}">'
    ]
    for tick in y_axis.ticks():
        y = y_axis.place(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    for tick, anchor in ((x_axis.low, "start"), (x_axis.high, "end")):
        x = x_axis.place(tick)
        label = f"{across} {_across(tick)}"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{label}</text>')
    for line in lines:
        path = " ".join(f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="{line.kind}" points="{path}"/>')
    return "".join([*parts, "</svg>"])


def y_axis_of(ys: Sequence[float], log: bool) -> Axis:
    """An axis for sorted values that a few outliers do not flatten."""
    low, high = ys[len(ys) // 200], ys[-1 - len(ys) // 200]
    log = log and low > 0 and high / low > LOG_RANGE
    if not log:
        margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
        low, high = (0.0 if 0 <= low < 0.3 * high else low - margin), high + margin
    return Axis(low, high, log, HEIGHT - BOTTOM, TOP)


def interval_chart(
    name: str,
    value: float,
    interval: Sequence[float] | None,
    real: float | None,
    real_interval: Sequence[float] | None,
) -> str:
    """Where a figure lies beside what it is compared with (`real`), each with its uncertainty."""
    ends = [value, *(interval or []), *([] if real is None else [real]), *(real_interval or [])]
    low, high = min(ends), max(ends)
    if low > 0 and low < 0.5 * high:
        low = 0.0
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    axis = Axis(low - margin, high + margin, False, 4, 236)
    parts = [
        f'<svg class="interval" viewBox="0 0 240 26" role="img" '
        f'aria-label="{escape(name, quote=True)}: the figure beside what it is compared with">',
        '<line class="grid" x1="4" x2="236" y1="13" y2="13"/>',
    ]
    if real_interval:
        start, end = axis.place(real_interval[0]), axis.place(real_interval[1])
        width = max(2.0, end - start)
        parts.append(f'<rect class="real" x="{start:.1f}" y="4" width="{width:.1f}" height="18"/>')
    if real is not None:
        x = axis.place(real)
        parts.append(f'<line class="real" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="24"/>')
    if interval:
        start, end = axis.place(interval[0]), axis.place(interval[1])
        parts.append(f'<line class="sample" x1="{start:.1f}" x2="{end:.1f}" y1="13" y2="13"/>')
    parts.append(f'<circle class="sample" cx="{axis.place(value):.1f}" cy="13" r="4.5"/></svg>')
    return "".join(parts)


def thin(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS` points: neighbours become their mean."""
    if len(points) <= MOST_POINTS:
        return list(points)
    edges = [round(i * len(points) / MOST_POINTS) for i in range(MOST_POINTS + 1)]
    groups = [points[start:end] for start, end in pairwise(edges)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def smoothed(points: Sequence[Point], window: float) -> list[Point]:
    """An exponential mean over about `window` points, corrected for its start."""
    keep, total, weight = 1 - 1 / max(1.0, window), 0.0, 0.0
    result = []
    for x, y in points:
        total, weight = keep * total + y, keep * weight + 1
        result.append((x, total / weight))
    return result


def _spoken(title: str, lines: Sequence[Line], across: str) -> str:
    first, last = lines[0].points[0], lines[0].points[-1]
    start = f"{number(first[1])} at {across} {_across(first[0])}"
    return f"{title}: from {start} to {number(last[1])} at {across} {_across(last[0])}"


def _across(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else number(value)
