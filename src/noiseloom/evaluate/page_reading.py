"""The report on what is read in items: estimates against the truth, confidence against being right.

Each section is a function of the run's facts that answers HTML, or nothing where it was not
measured, as in `page`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.scatter_chart import Mark, scatter_chart
from noiseloom.evaluate.wording import number


def estimates(facts: Facts) -> str:
    """A point for each of some held-out items."""
    points = (facts.evaluation.get("checks") or {}).get("points") or {}
    truth, estimate = _numbers(points.get("truth")), _numbers(points.get("estimate"))
    if not truth or len(truth) != len(estimate):
        return ""
    marks = [Mark(x, y) for x, y in zip(truth, estimate, strict=True)]
    chart = scatter_chart("Estimates against the truth", marks, across="truth", up="estimate")
    text = f"{number(len(marks))} held-out items; right ones lie on the line."
    return f"<h2>Estimates</h2>{_figure(chart, text)}"


def reliability(facts: Facts) -> str:
    """A dot for each bin of confidence, as large as it holds items."""
    bins = (facts.evaluation.get("checks") or {}).get("reliability") or []
    rows = [
        row
        for row in bins
        if isinstance(row, dict) and {"confidence", "accuracy", "items"} <= row.keys()
    ]
    total = sum(row["items"] for row in rows)
    if not total:
        return ""
    marks = [Mark(row["confidence"], row["accuracy"], row["items"] / total) for row in rows]
    chart = scatter_chart(
        "How often it is right against how sure it is",
        marks,
        across="confidence",
        up="share right",
        ends=(0.0, 1.0),
    )
    text = (
        "Held-out items by how sure the answer was, a dot for each of the ranges of confidence, "
        "the larger the more items. Below the line it is surer than it is right."
    )
    return f"<h2>Does it know when it is right?</h2>{_figure(chart, text)}"


def _numbers(values: Any) -> list[float]:
    found = values if isinstance(values, list) else []
    return [float(one) for one in found if isinstance(one, int | float)]


def _figure(chart: str, text: str) -> str:
    return f'<figure class="square">{chart}<figcaption>{escape(text)}</figcaption></figure>'
