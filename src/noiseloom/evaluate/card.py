"""README.md of a run: the model card, for whoever meets the folder without the page."""

from __future__ import annotations

from noiseloom.evaluate.meanings import MEANINGS
from noiseloom.evaluate.record import Record, number


def model_card(record: Record) -> str:
    """The card as Markdown: what it is, figures beside those of real data, how to use it."""
    task = record.recipe.get("task", {}).get("name", "")
    lines = ["---", "library_name: noiseloom"]
    lines += [f"pipeline_tag: {task}"] if task else []
    lines += ["---", "", f"# {record.name}", ""]
    lines += [f"- {what}: {value}" for what, value in record.facts()]
    lines += ["", *_figures(record), "## Use", "", "```bash"]
    lines += [f"noiseloom sample {record.folder} --num 64 --out samples.png", "```", ""]
    lines += ["`report.html` shows samples, curves and the recipe on one page.", ""]
    return "\n".join(lines)


def _figures(record: Record) -> list[str]:
    evaluation = record.evaluation
    metrics, floor = evaluation.get("metrics", {}), evaluation.get("floor", {})
    if not metrics:
        return []
    protocol = evaluation.get("protocol", {})
    lines = [
        f"## Figures ({protocol.get('num', '?')} samples, {protocol.get('weights', '?')} weights)",
        "",
        "| figure | samples | real data | what it says |",
        "|---|---|---|---|",
    ]
    for name, value in metrics.items():
        real = number(floor[name]) if name in floor else ""
        lines.append(f"| {name} | {number(value)} | {real} | {MEANINGS.get(name, '')} |")
    alarm = "The memorisation alarm rang: samples lie too near to training items."
    return [*lines, "", *([alarm, ""] if record.is_alarming else [])]
