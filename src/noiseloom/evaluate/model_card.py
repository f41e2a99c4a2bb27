"""README.md of a run: the report's facts as a model card in Markdown, pictures linked."""

from __future__ import annotations

import html
import re

from noiseloom.evaluate.columns import columns
from noiseloom.evaluate.commands import use
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page_figures import protocol_in_words
from noiseloom.evaluate.verdicts import verdicts
from noiseloom.evaluate.wording import (
    MEANINGS,
    duration,
    figure,
    items_in_words,
    meaning,
    network_in_words,
)

HUB_TASKS = (  # pipeline tags of the hub
    "unconditional-image-generation",
    "image-classification",
    "text-generation",
    "fill-mask",
    "text-classification",
    "translation",
    "question-answering",
)
SHOWN = 600  # characters of what it writes


def card(facts: Facts) -> str:
    """The whole text; what is not known is left out."""
    parts = [_front_matter(facts), f"# {_plain(facts.name)}", _what(facts)]
    if facts.picture("final.png"):
        parts.append("![Samples of the finished run](samples/final.png)")
    if facts.picture("denoising.gif"):
        parts.append("![Noise turning into samples](samples/denoising.gif)")
    if facts.picture("predictions.png"):
        parts.append("![Held-out items and the class read in each](samples/predictions.png)")
    if facts.picture("reconstructions.png"):
        parts.append("![Held-out images over what came back](samples/reconstructions.png)")
    if shown := facts.written[:SHOWN].strip():
        parts += ["What it writes:", "\n".join(f"    {line}" for line in shown.splitlines())]
    if said := verdicts(facts):
        words = {"good": "", "fair": "Note: ", "bad": "Warning: "}
        lines = [f"- {words[verdict.level]}{_plain(verdict.text)}" for verdict in said]
        parts += ["## In short", "\n".join(lines)]
    parts += _figures(facts)
    parts += ["## Use it", _use(facts)]
    for warning in facts.data.get("warnings") or []:
        parts.append(f"- About the data: {_plain(str(warning))}")
    parts.append("More in `report.html`; the recipe is `recipe.yaml`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: Facts) -> str:
    task = str(facts.recipe.get("task.name") or facts.recipe.get("task") or "")
    tag = f"pipeline_tag: {task}\n" if task in HUB_TASKS else ""
    tags = "tags:\n- diffusion\n" if facts.answers == "items" else ""
    return f"---\nlibrary_name: noiseloom\n{tag}{tags}---"


def _what(facts: Facts) -> str:
    rows = []
    if network := network_in_words(facts):
        rows.append(("Network", network))
    if facts.data:
        rows.append(("Data", items_in_words(facts)))
    if source := facts.data.get("source"):
        rows.append(("Source", str(source)))
    if teacher := facts.recipe.get("task.teacher.run"):
        rows.append(("Distilled from", f"{teacher}, to draw in 1, 2 or 4 network calls"))
    if autoencoder := facts.recipe.get("task.autoencoder.run"):
        rows.append(("Draws in the latents of", str(autoencoder)))
    if begun := facts.recipe.get("task.begins_as.run"):
        rows.append(("Begun as", f"{begun}, which draws single frames"))
    if facts.trained_steps:
        took = f" in {duration(facts.seconds)}" if facts.seconds is not None else ""
        rows.append(("Training", f"{facts.trained_steps:,} steps{took}"))
    environment = facts.environment
    if processor := environment.get("processor") or environment.get("cpu"):
        rows.append(("Machine", f"{processor}, torch {environment.get('torch', 'unknown')}"))
    if not rows:
        return ""
    lines = [f"| {name} | {_plain(value)} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _figures(facts: Facts) -> list[str]:
    own, others = columns(facts.evaluation)
    metrics = own.metrics
    if not metrics:
        return []
    known = [*(name for name in MEANINGS if name in metrics), *metrics.keys() - MEANINGS.keys()]
    titles = [_plain(other.title.lower()) for other in others]
    rows = [["figure", own.title.lower(), "95 % interval", *titles], ["---"] * (3 + len(others))]
    for name in known:
        interval = own.intervals.get(name)
        between = " to ".join(figure(name, end) for end in interval) if interval else "–"
        beside = [figure(name, other.metrics.get(name)) for other in others]
        rows.append([_plain(meaning(name).title), figure(name, metrics[name]), between, *beside])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    meanings = [
        f"- **{meaning(name).title}.** {meaning(name).sentence}"
        for name in known
        if meaning(name).sentence
    ]
    how = _plain(html.unescape(protocol_in_words(facts.evaluation.get("protocol") or {})))
    return ["## Figures", "\n".join(lines), how, "\n".join(meanings)]


def _use(facts: Facts) -> str:
    folder = facts.command_folder
    commands = [
        use(facts.answers, facts.place, facts.class_names, facts.items, facts.prompt).command,
        f"noiseloom resume {folder}",
        f"noiseloom evaluate {folder}",
    ]
    return "\n".join(["```", *commands, "```"])


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line)
