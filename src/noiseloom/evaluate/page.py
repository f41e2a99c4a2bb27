"""The report as one HTML page that loads nothing: pictures and charts are inside it.

Each section is a function of the run's facts that answers HTML, or nothing where its files are not
there. Every text that comes from a file passes through `html.escape`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from noiseloom.evaluate.charts import line_chart
from noiseloom.evaluate.commands import use as use_of
from noiseloom.evaluate.curves import panels
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page_density import likelihood, loss_by_time
from noiseloom.evaluate.page_few_steps import few_steps
from noiseloom.evaluate.page_figures import figures
from noiseloom.evaluate.page_parts import details, pairs
from noiseloom.evaluate.page_pictures import (
    memorisation,
    noising,
    predictions,
    reconstructions,
    samples,
)
from noiseloom.evaluate.page_prompts import prompts
from noiseloom.evaluate.page_reading import estimates, reliability
from noiseloom.evaluate.page_style import STYLE
from noiseloom.evaluate.page_text import examples, written
from noiseloom.evaluate.page_tuning import ema_sweep, tuned_sampler
from noiseloom.evaluate.verdicts import Verdict, verdicts
from noiseloom.evaluate.wording import (
    duration,
    figure,
    items_in_words,
    meaning,
    network_in_words,
    task_in_words,
)
from noiseloom.training.health import assess

TILES = {
    "bits_per_byte": "bits a byte of held-out text",
    "pearson": "correlation with the truth",
    "sacrebleu": "BLEU",
    "f1": "F1 of its answers",
    "joint_accuracy": "of pictures hold all that was asked for",
}
MARKS = {"good": "✓", "fair": "!", "bad": "✗"}


def page(facts: Facts) -> str:
    """The whole document."""
    body = "\n".join(section(facts) for section in SECTIONS)
    return document(f"{facts.name}: a Noiseloom run", header(facts), body, footer(facts))


def document(title: str, head: str, body: str, foot: str) -> str:
    """A page of these parts."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{head}\n<main>\n{body}\n</main>\n{foot}\n</body>\n</html>\n"
    )


def header(facts: Facts) -> str:
    tiles = "".join(f"<li><b>{value}</b><span>{name}</span></li>" for value, name in _tiles(facts))
    return (
        f'<header>\n<p class="eyebrow">Noiseloom run report</p>\n<h1>{escape(facts.name)}</h1>\n'
        f'<p class="lead">{lead(facts)}</p>\n<ul class="tiles">{tiles}</ul>\n</header>'
    )


def lead(facts: Facts) -> str:
    """One sentence: what, from what, how long, on what."""
    parts = [f"A model for {escape(task_in_words(facts))}"]
    if network := network_in_words(facts):
        parts.append(f", network {escape(network)}")
    if facts.data:
        parts.append(f", trained on {escape(items_in_words(facts))}")
        if source := facts.data.get("source"):
            parts.append(f" from {escape(str(source))}")
    if processor := facts.environment.get("processor") or facts.environment.get("cpu"):
        threads = facts.environment.get("threads")
        several = ""
        if facts.environment.get("device") == "cpu" and threads:
            several = f", {threads} thread{'' if threads == 1 else 's'}"
        parts.append(f", on {escape(str(processor))}{escape(several)}")
    return "".join(parts) + "."


def _tiles(facts: Facts) -> list[tuple[str, str]]:
    found = []
    if facts.seconds is not None:
        found.append((duration(facts.seconds), "of training"))
    if facts.trained_steps:
        batch = facts.recipe.get("training.batch_size")
        found.append((f"{facts.trained_steps:,}", f"steps of {batch} items" if batch else "steps"))
    metrics, floor = facts.evaluation.get("metrics") or {}, facts.evaluation.get("floor") or {}
    for name in ("frechet_distance", "sliced_wasserstein"):
        if name in metrics and floor.get(name, 0) > 0:
            words = f"real data's {meaning(name).title}"
            found.append((f"{metrics[name] / floor[name]:.2f} ×", words))
    if "label_agreement" in metrics:
        found.append((figure("label_agreement", metrics["label_agreement"]), "read as asked for"))
    if "accuracy" in metrics:
        found.append((figure("accuracy", metrics["accuracy"]), "of held-out items read right"))
    for name, words in TILES.items():
        if name in metrics:
            found.append((figure(name, metrics[name]), words))
    if "psnr" in metrics:
        found.append((f"{metrics['psnr']:.1f} dB", "of held-out images come back"))
    return found


def conclusions(facts: Facts) -> str:
    found = verdicts(facts)
    unfinished = ""
    if facts.planned_steps and facts.trained_steps < facts.planned_steps:
        unfinished = (
            f'<p class="note">Training stands at step {facts.trained_steps:,} of '
            f"{facts.planned_steps:,}; see below how to go on.</p>"
        )
    if not found:
        return (
            f"<h2>In short</h2>{unfinished}<p>This run has not been measured. To do so: "
            f"<code>noiseloom evaluate {escape(facts.command_folder)}</code></p>"
        )
    return f"<h2>In short</h2>{unfinished}{listed(found)}"


def listed(found: Sequence[Verdict]) -> str:
    """Verdicts, each with its mark."""
    items = "".join(
        f'<li class="{v.level}"><span class="mark" aria-hidden="true">{MARKS[v.level]}</span>'
        f'<span><span class="hidden">{v.level}: </span>{escape(v.text)}</span></li>'
        for v in found
    )
    return f'<ul class="verdicts">{items}</ul>'


def training(facts: Facts) -> str:
    shown = []
    for panel in panels(facts):
        keys = "".join(
            f'<span><i class="key {line.kind}"></i>{escape(line.name)}</span>'
            for line in panel.lines
            if line.name and line.points
        )
        chart = line_chart(panel.title, panel.lines, panel.log)
        caption = f'<figcaption class="keys">{keys}</figcaption>' if keys else ""
        shown.append(f"<figure><h3>{escape(panel.title)}</h3>{chart}{caption}</figure>")
    if not shown:
        return ""
    health = assess([*facts.steps, *facts.held_out])
    said = "" if health.word == "too early to say" else f"<p>{escape(str(health))}</p>"
    return f'<h2>Training</h2>{said}<div class="row wide">{"".join(shown)}</div>'


def use(facts: Facts) -> str:
    folder = facts.command_folder
    used = use_of(facts.answers, facts.place, facts.class_names, facts.items, facts.prompt)
    commands = [*used.commands, f"noiseloom resume {folder}", f"noiseloom evaluate {folder}"]
    python = ["import noiseloom", f"run = noiseloom.Run.open({facts.place!r})", *used.python]
    shown = [
        f"<pre><code>{escape(chr(10).join(lines))}</code></pre>" for lines in (commands, python)
    ]
    return (
        f"<h2>Use it</h2><p>{used.invitation}</p>{shown[0]}<p>The same from Python:</p>{shown[1]}"
    )


def sources(facts: Facts) -> str:
    """The data, the recipe and the environment, for whoever wants to repeat it."""
    data = facts.data
    counts = data.get("counts") or {}
    rows: dict[str, Any] = {
        "Source": data.get("source"),
        "Items": items_in_words(facts) if data else None,
        **{name.capitalize(): count for name, count in counts.items()},
        "Held out": data.get("reference"),
        "Fingerprint": data.get("fingerprint"),
    }
    warnings = "".join(f"<li>{escape(str(text))}</li>" for text in data.get("warnings") or [])
    found = pairs({name: value for name, value in rows.items() if value not in (None, "")})
    if warnings:
        found += f"<p>Worth knowing:</p><ul>{warnings}</ul>"
    recipe = f"<pre><code>{escape(facts.recipe_text)}</code></pre>"
    return (
        "<h2>To repeat it</h2>"
        + (details("Data", found) if data else "")
        + details("Recipe, every value resolved", recipe)
        + (details("Environment", pairs(facts.environment)) if facts.environment else "")
    )


def footer(facts: Facts) -> str:
    version = facts.environment.get("noiseloom")
    made = f"Noiseloom {escape(str(version))}" if version else "Noiseloom"
    return (
        f"<footer>Made by {made}. This page is one file and loads nothing from elsewhere.</footer>"
    )


SECTIONS: tuple[Callable[[Facts], str], ...] = (
    conclusions,
    samples,
    prompts,
    written,
    predictions,
    reconstructions,
    figures,
    reliability,
    estimates,
    examples,
    likelihood,
    few_steps,
    tuned_sampler,
    ema_sweep,
    memorisation,
    loss_by_time,
    noising,
    training,
    use,
    sources,
)
