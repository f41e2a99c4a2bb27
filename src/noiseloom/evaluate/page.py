"""The report as one HTML page that loads nothing: pictures and charts are inside it.

Each section is a function of the run's facts that answers HTML, or nothing where its files are not
there. Every text that comes from a file passes through `html.escape`.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from noiseloom.evaluate.charts import interval_chart, line_chart
from noiseloom.evaluate.columns import Column, columns
from noiseloom.evaluate.commands import use as use_of
from noiseloom.evaluate.curves import panels
from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page_density import likelihood, loss_by_time
from noiseloom.evaluate.page_style import STYLE
from noiseloom.evaluate.verdicts import verdicts
from noiseloom.evaluate.wording import (
    MEANINGS,
    duration,
    figure,
    items_in_words,
    meaning,
    network_in_words,
    number,
    task_in_words,
)
from noiseloom.training.health import assess

MOST_BYTES = 3_000_000  # of a picture; a larger one is shrunk
SHRUNK_WIDTH = 1_400
PREVIEWS = 3
MARKS = {"good": "✓", "fair": "!", "bad": "✗"}


def page(facts: Facts) -> str:
    """The whole document."""
    body = "\n".join(section(facts) for section in SECTIONS)
    title = f"{facts.name}: a Noiseloom run"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{header(facts)}\n<main>\n{body}\n</main>\n{footer(facts)}\n</body>\n</html>\n"
    )


def header(facts: Facts) -> str:
    tiles = "".join(f"<li><b>{value}</b><span>{name}</span></li>" for value, name in _tiles(facts))
    return (
        f'<header>\n<p class="eyebrow">Noiseloom run report</p>\n<h1>{escape(facts.name)}</h1>\n'
        f'<p class="lead">{_lead(facts)}</p>\n<ul class="tiles">{tiles}</ul>\n</header>'
    )


def _lead(facts: Facts) -> str:
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
    items = "".join(
        f'<li class="{v.level}"><span class="mark" aria-hidden="true">{MARKS[v.level]}</span>'
        f'<span><span class="hidden">{v.level}: </span>{escape(v.text)}</span></li>'
        for v in found
    )
    return f'<h2>In short</h2>{unfinished}<ul class="verdicts">{items}</ul>'


def samples(facts: Facts) -> str:
    if facts.answers != "items":
        return ""
    final = facts.picture("final.png")
    shown = ""
    if final:
        classes = ", ".join(facts.class_names[:10])
        by_class = f" Columns: {classes}." if 1 < len(facts.class_names) <= 10 else ""
        columns = "" if facts.is_points else by_class
        text = f"Samples of the finished run, not picked by hand.{columns}"
        shown = _figure(final, "A sheet of samples of the finished run", text)
    if animated := facts.picture("denoising.gif"):
        shown += _figure(animated, "Noise turning into samples, animated", "How they form.")
    shown = f'<div class="row wide">{shown}</div>' if shown else ""
    on_the_way = _on_the_way(facts, "Samples")
    return f"<h2>Samples</h2>{shown}{on_the_way}" if shown or on_the_way else ""


def _on_the_way(facts: Facts, noun: str) -> str:
    """Some of the sheets drawn while training."""
    previews = facts.previews
    if len(previews) > PREVIEWS:
        places = [round(i * (len(previews) - 1) / (PREVIEWS - 1)) for i in range(PREVIEWS)]
        previews = [previews[place] for place in places]
    shown = "".join(
        _figure(path, f"{noun} at step {step}", f"Step {step:,}") for step, path in previews
    )
    return f'<h3>On the way there</h3><div class="row">{shown}</div>' if shown else ""


def predictions(facts: Facts) -> str:
    pictures = (
        (
            "predictions.png",
            "Held-out items with the class read in each",
            "Held-out items, not picked by hand, and the class read in each. Red: read wrong, with "
            "the right class in brackets.",
        ),
        (
            "mistakes.png",
            "Held-out items read wrong",
            "The mistakes it is surest of: some may be the data's, wrongly labelled.",
        ),
        (
            "confusion.png",
            "The confusion matrix",
            "How often items of each class (rows) are read as each (columns).",
        ),
    )
    found = [
        _figure(path, alt, text) for name, alt, text in pictures if (path := facts.picture(name))
    ]
    if not any(found):
        return ""
    first, *others = found  # its captions need the width
    return f'<h2>What it reads</h2>{first}<div class="row wide">{"".join(others)}</div>'


def reconstructions(facts: Facts) -> str:
    if facts.answers != "reconstructions":
        return ""
    on_the_way = _on_the_way(facts, "Reconstructions")
    shown = _figure_of(
        facts,
        "reconstructions.png",
        "Held-out images over what came back of them",
        "Held-out images, not picked by hand, each over what came back of it through the latents.",
    )
    return f"<h2>There and back</h2>{shown}{on_the_way}" if shown else ""


def noising(facts: Facts) -> str:
    pictures = (
        (
            "forward.png",
            "Real items, from clean at the left to noise at the right",
            "The way there, which needs no learning: real held-out items get noisier from left to "
            "right.",
        ),
        (
            "denoising.png",
            "Samples, from noise at the left to clean at the right",
            "The way back, which the model has learned: noise becomes a sample, step by step.",
        ),
    )
    shown = "".join(
        _figure(path, alt, text) for name, alt, text in pictures if (path := facts.picture(name))
    )
    if not shown:
        return ""
    side_by_side = "" if facts.is_points else ' class="row wide"'  # scatter plots need the width
    return f"<h2>Into noise and back</h2><div{side_by_side}>{shown}</div>"


def figures(facts: Facts) -> str:
    own, others = columns(facts.evaluation)
    metrics = own.metrics
    known = [*(name for name in MEANINGS if name in metrics), *metrics.keys() - MEANINGS.keys()]
    rows = "".join(_row(name, own, others) for name in known)
    if not rows:
        return ""
    heads = ["Figure", own.title, *(other.title for other in others), "Beside each other"]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    table = f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    key = (
        f'<p class="note keys"><span><i class="key"></i>{escape(own.title.lower())}, with the 95 % '
        f'interval</span><span><i class="key band"></i>{escape(others[0].legend)}</span></p>'
    )
    protocol = facts.evaluation.get("protocol") or {}
    checks = facts.evaluation.get("checks") or {}
    return (
        f'<h2>Figures</h2>{table}{key}<p class="note">{_protocol(protocol)}</p>'
        + _by_class("Label agreement by class", checks.get("label_agreement_by_class"))
        + _by_class("Read right, by class", checks.get("recall_by_class"))
        + _details("The whole protocol", _pairs(protocol))
    )


def _by_class(title: str, shares: dict[str, float] | None) -> str:
    return _details(title, _pairs({name: f"{share:.1%}" for name, share in (shares or {}).items()}))


def _row(name: str, own: Column, others: list[Column]) -> str:
    value = own.metrics[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    cells = "".join(
        f'<td class="value" data-name="{escape(column.title, quote=True)}">'
        f"{_cell(column, name, bold=column is own)}</td>"
        for column in (own, *others)
    )
    told, beside = meaning(name), others[0]
    chart = interval_chart(
        told.title,
        value,
        own.intervals.get(name),
        beside.metrics.get(name),
        beside.intervals.get(name),
    )
    return (
        f'<tr><th scope="row">{escape(told.title)}<span class="meaning">{escape(told.sentence)}'
        f"</span></th>{cells}<td>{chart}</td></tr>"
    )


def _cell(column: Column, name: str, *, bold: bool) -> str:
    value = figure(name, column.metrics.get(name))
    shown = f"<b>{value}</b>" if bold else value
    return f"{shown}{_range(name, column.intervals.get(name))}"


def _range(name: str, interval: list[float] | None) -> str:
    if not interval:
        return ""
    return f"<small>{figure(name, interval[0])} to {figure(name, interval[1])}</small>"


def _guidance(protocol: dict[str, Any]) -> str:
    """How samples were guided, where they were."""
    if not protocol.get("guidance"):
        return ""
    kind, guide = protocol.get("guidance_kind"), protocol.get("guide")
    by = f" ({kind} by {escape(str(guide))})" if guide else ""
    back = (
        f", rescale {number(protocol['guidance_rescale'])}"
        if "guidance_rescale" in protocol
        else ""
    )
    away = f", away from {escape(protocol['negative'])}" if "negative" in protocol else ""
    return f"guidance {number(protocol['guidance'])}{by}{back}{away}"


def _protocol(protocol: dict[str, Any]) -> str:
    """How the figures came about, as sentences; what is not known is left out."""
    how = [
        {"ema": "averaged weights", "raw": "raw weights"}.get(str(protocol.get("weights")), ""),
        f"{protocol['sampler']} sampler" if protocol.get("sampler") else "",
        f"{protocol['steps']} steps" if protocol.get("steps") else "",
        f"{protocol['spacing']} spacing" if protocol.get("spacing", "uniform") != "uniform" else "",
        f"tolerance {protocol['tolerance'][0]:g}" if protocol.get("tolerance") else "",
        _guidance(protocol),
        f"seed {protocol['seed']}" if "seed" in protocol else "",
    ]
    said = []
    if protocol.get("held_out"):
        said.append(f"Measured on {number(protocol['held_out'])} held-out items")
    if protocol.get("num"):
        against = f" against {number(protocol.get('reference'))} held-out items"
        said.append(f"Measured on {number(protocol['num'])} samples{against}")
    if said:
        said[0] += f" ({', '.join(word for word in how if word)})." if any(how) else "."
    if remade := protocol.get("training_images_reconstructed"):
        said.append(
            f"The Fréchet distance is that of {number(remade)} training images as they came back, "
            "against held-out images: what a model that draws such latents can at best reach."
        )
    if baseline := protocol.get("baseline"):
        said.append(
            f"Logistic regression learned from the numbers of {number(baseline.get('items'))} "
            "training items, with the penalty that suits a part of them best."
        )
    if protocol.get("floor_draws"):
        said.append(
            f"What real data scores is the mean over {protocol['floor_draws']} draws of as many "
            "training items; for label agreement and distance to training data, held-out items."
        )
    features = protocol.get("features") or {}
    if features:
        accuracy = features.get("accuracy")
        said.append(
            f"Distances are taken in {features.get('dimension')} features learned on the training "
            f"images ({features.get('kind')}"
            + (f", which reads {accuracy:.1%} of held-out images right)." if accuracy else ").")
        )
    return escape(" ".join(said))


def memorisation(facts: Facts) -> str:
    path = facts.picture("nearest.png")
    if path is None:
        return ""
    text = (
        "The samples most like a single training image (above), each with that training image "
        "(below). Copies would match stroke for stroke."
    )
    return f"<h2>Nearest training images</h2>{_figure(path, 'Samples above training images', text)}"


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
    used = use_of(facts.answers, facts.place, facts.class_names)
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
    found = _pairs({name: value for name, value in rows.items() if value not in (None, "")})
    if warnings:
        found += f"<p>Worth knowing:</p><ul>{warnings}</ul>"
    recipe = f"<pre><code>{escape(facts.recipe_text)}</code></pre>"
    return (
        "<h2>To repeat it</h2>"
        + (_details("Data", found) if data else "")
        + _details("Recipe, every value resolved", recipe)
        + (_details("Environment", _pairs(facts.environment)) if facts.environment else "")
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
    predictions,
    reconstructions,
    figures,
    likelihood,
    memorisation,
    loss_by_time,
    noising,
    training,
    use,
    sources,
)


# Parts -------------------------------------------------------------------------------------------


def _details(summary: str, content: str) -> str:
    if not content:
        return ""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _pairs(mapping: Mapping[str, Any]) -> str:
    """A table of keys and values; values within values are written as JSON."""
    if not mapping:
        return ""
    rows = []
    for name, value in mapping.items():
        if isinstance(value, float | int) and not isinstance(value, bool):
            text = f"{value:,}" if isinstance(value, int) else f"{value:g}"
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words = escape(str(name).replace("_", " "))
        rows.append(f'<tr><th scope="row">{words}</th><td>{escape(text)}</td></tr>')
    return f'<table class="plain"><tbody>{"".join(rows)}</tbody></table>'


def _figure(path: Path, alt: str, caption: str) -> str:
    """A picture inside the page; nothing where the file is no picture."""
    try:
        with Image.open(path) as picture:
            picture.verify()
            width, height, kind = picture.width, picture.height, str(picture.format).lower()
        content = path.read_bytes()
        if len(content) > MOST_BYTES and kind != "gif":
            content, width, height = _shrunk(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    if len(content) > 2 * MOST_BYTES:
        text = f"{caption} It is too large for this page: samples/{path.name}."
        return f"<p>{escape(text)}</p>"
    data = base64.b64encode(content).decode()
    return (
        f'<figure><span class="picture"><img src="data:image/{kind};base64,{data}" width="{width}" '
        f'height="{height}" alt="{escape(alt, quote=True)}"></span>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _figure_of(facts: Facts, name: str, alt: str, caption: str) -> str:
    """A picture of the run inside the page; nothing where it is not there."""
    path = facts.picture(name)
    return _figure(path, alt, caption) if path else ""


def _shrunk(path: Path) -> tuple[bytes, int, int]:
    with Image.open(path) as picture:
        picture.thumbnail((SHRUNK_WIDTH, 4 * SHRUNK_WIDTH))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", optimize=True)
        return buffer.getvalue(), picture.width, picture.height
