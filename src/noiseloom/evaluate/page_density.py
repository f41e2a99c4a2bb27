"""What the report says of a denoiser as such: how likely it finds data, and its error at every t.

Each section is a function of the run's facts that answers HTML, or nothing where it was not
measured, as in `page`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from noiseloom.evaluate.charts import Line, line_chart
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.likelihood import sentences
from noiseloom.evaluate.wording import number

FLOORS = {
    "train": ("Training items", "the best there can be"),
    "held_out": ("Held-out items", "knowing the training items by heart"),
}


def likelihood(facts: Facts) -> str:
    found = facts.evaluation.get("likelihood") or {}
    said = sentences(found)
    if not said:
        return ""
    first, *figures, gap = said
    items = "".join(f"<li>{escape(text)}</li>" for text in figures)
    return f"<h2>Likelihood</h2><p>{escape(first)}</p><ul>{items}</ul><p>{escape(gap)}</p>"


def loss_by_time(facts: Facts) -> str:
    found = facts.evaluation.get("loss_by_time") or {}
    charts = "".join(_chart(found, split) for split in FLOORS if found.get(split))
    if not charts:
        return ""
    counts = found.get("num") or {}
    said = (
        "How far off the clean data is that the network expects, as a share of the data's "
        "variance: at the left almost nothing is hidden by noise, at the right almost all. "
        f"Averages over {number(counts.get('train'))} training and "
        f"{number(counts.get('held_out'))} held-out items. A network that comes down to the best "
        "there can be on training items has learned them by heart; one that has learned what they "
        "have in common is below that memory on held-out items."
    )
    return (
        f'<h2>Error at every noise level</h2><div class="row wide">{charts}</div>'
        f'<p class="note">{escape(said)}</p>'
    )


def _chart(found: dict[str, Any], split: str) -> str:
    title, floor_name = FLOORS[split]
    times, floor = found["t"], found.get(f"{split}_floor")
    lines = [Line("this network", list(zip(times, found[split], strict=True)), "smooth")]
    if floor:
        lines.append(Line(floor_name, list(zip(times, floor, strict=True)), "other"))
    keys = "".join(
        f'<span><i class="key {line.kind}"></i>{escape(line.name)}</span>' for line in lines
    )
    chart = line_chart(title, lines, across="t")
    return (
        f"<figure><h3>{escape(title)}</h3>{chart}"
        f'<figcaption class="keys">{keys}</figcaption></figure>'
    )
