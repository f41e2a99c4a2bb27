"""The report's section on a distilled run: its figure against network passes, and its teacher's."""

from __future__ import annotations

from html import escape
from typing import Any

from noiseloom.evaluate.charts import Line, line_chart
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.wording import figure, meaning, number

FILE = "distillation.json"
KINDS = {"teacher": "raw", "student": "smooth"}


def few_steps(facts: Facts) -> str:
    """HTML; nothing where the run has no distillation.json, or a damaged one."""
    curve = facts.json(FILE)
    rows = [row for row in curve.get("rows") or [] if _is_whole(row, curve.get("metric"))]
    teacher = [row for row in rows if row["who"] == "teacher"]
    if not teacher or len(rows) == len(teacher):
        return ""
    name = str(curve["metric"])
    title = meaning(name).title
    best = min(row[name] for row in teacher)
    lines = [
        Line(who, [(row["passes"], row[name]) for row in rows if row["who"] == who], kind)
        for who, kind in KINDS.items()
    ]
    floor = curve.get("floor")
    if isinstance(floor, int | float):
        ends = [row["passes"] for row in rows]
        lines.append(Line("real data", [(min(ends), floor), (max(ends), floor)], "other"))
    keys = "".join(
        f'<span><i class="key {line.kind}"></i>{escape(line.name)}</span>' for line in lines
    )
    chart = line_chart(f"{title} against network passes", lines, across="passes", doubling=True)
    head = "".join(
        f'<th scope="col">{escape(text)}</th>'
        for text in ("", "Steps", "Passes", title, "Of the teacher's best", "Seconds")
    )
    body = "".join(_row(row, name, best) for row in rows)
    protocol = curve.get("protocol") or {}
    said = f"{number(protocol.get('num'))} samples each, from the same noise. A pass is one item "
    return (
        "<h2>In few steps</h2>"
        f'<div class="row wide"><figure>{chart}<figcaption class="keys">{keys}</figcaption>'
        "</figure></div>"
        f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f'<p class="note">{escape(said)}going through the network once; guidance takes two. '
        "Seconds are for all samples together.</p>"
    )


def _is_whole(row: Any, metric: Any) -> bool:
    return (
        isinstance(row, dict)
        and row.get("who") in KINDS
        and all(isinstance(row.get(key), int | float) for key in (metric, "passes"))
        and row["passes"] > 0
    )


def _row(row: dict[str, Any], name: str, best: float) -> str:
    cells = (
        number(row.get("steps")),
        f"{row['passes']:g}",
        figure(name, row[name]),
        f"{row[name] / best:.2f} ×" if best > 0 else "–",
        number(row.get("seconds")),
    )
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(row["who"])}</th>{shown}</tr>'
