"""What the report says of a run that was tuned: its sampler, and averages of other widths."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from noiseloom.evaluate.charts import Line, line_chart
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.wording import meaning, number

SAMPLER, SWEEP = "sampler.json", "ema_sweep.json"


def tuned_sampler(facts: Facts) -> str:
    """The sampler that tune-sampler found, beside the recipe's and a usual one."""
    found = facts.json(SAMPLER)
    metric = str(found.get("metric"))
    report = found.get("report")
    rows = report if isinstance(report, dict) else {}
    whole = {name: row for name, row in rows.items() if isinstance(row, dict) and metric in row}
    if not whole:
        return ""
    title = meaning(metric).title
    body = [
        (
            name,
            number(row[metric]),
            number(row.get("calls")),
            number(row.get("passes")),
            _in_words(row.get("how")),
        )
        for name, row in whole.items()
    ]
    head = ("", title, "Calls", "Passes", "How")
    said = (
        "Found on the held-out items of even number, reported on those of odd number and from "
        "other noise. The run samples so unless told otherwise. A pass is an item going through "
        "the network once; where labels are followed it does so twice in a call."
    )
    return f'<h2>Tuned sampler</h2>{_table(head, body)}<p class="note">{escape(said)}</p>'


def ema_sweep(facts: Facts) -> str:
    """How good samples are by the width of the weights' average."""
    found = facts.json(SWEEP)
    metric = str(found.get("metric"))
    rows = [row for row in found.get("rows") or [] if isinstance(row, dict) and metric in row]
    widths = [row for row in rows if isinstance(row.get("width"), int | float)]
    if len(widths) < 2:
        return ""
    title = meaning(metric).title
    ends = (widths[0]["width"], widths[-1]["width"])
    lines = [Line("averages", [(row["width"], row[metric]) for row in widths])]
    raw = next((row[metric] for row in rows if row.get("width") is None), None)
    for name, value, kind in (
        ("the weights themselves", raw, "raw"),
        ("real data", found.get("floor"), "other"),
    ):
        if isinstance(value, int | float):
            lines.append(Line(name, [(end, value) for end in ends], kind))
    keys = "".join(
        f'<span><i class="key {line.kind}"></i>{escape(line.name)}</span>' for line in lines
    )
    chart = line_chart(f"{title} against the average's width", lines, across="width")
    best = min(widths, key=lambda row: row[metric])
    said = (
        f"Lowest at width {number(best['width'])}; this run samples with "
        f"{number(found.get('used'))} unless told otherwise (--ema)."
    )
    return (
        f'<h2>Averages of the weights</h2><div class="row wide"><figure>{chart}'
        f'<figcaption class="keys">{keys}</figcaption></figure></div>'
        f'<p class="note">{escape(said)}</p>'
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f'<table class="plain"><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>'


def _in_words(how: Any) -> str:
    """What a protocol says of a sampler, without what is not so."""
    if not isinstance(how, dict):
        return ""
    said = [str(how.get("sampler", "")), f"{how['steps']} steps" if how.get("steps") else ""]
    times = how.get("times")
    if isinstance(times, list) and times:
        said.append("t = " + ", ".join(number(t) for t in times))
    elif how.get("spacing") not in (None, "uniform"):
        said.append(f"{how['spacing']} spacing")
    elif how.get("shift") not in (None, 1, 1.0):
        said.append(f"shift {number(how['shift'])}")
    if how.get("guidance") not in (None, 1, 1.0):
        low, high = how.get("guidance_interval") or (0, 1)
        said.append(f"guidance {number(how['guidance'])} for t in {number(low)} to {number(high)}")
    return "; ".join(text for text in said if text)
