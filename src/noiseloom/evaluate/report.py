"""report.html, one self-contained page to send to a colleague, and README.md, the model card.

Both are made from a run's folder and nothing else. Pictures are inside the page; it loads nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from noiseloom.evaluate.card import model_card
from noiseloom.evaluate.curves import save_curves
from noiseloom.evaluate.meanings import MEANINGS
from noiseloom.evaluate.record import Record, number
from noiseloom.media import aside

MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif"}


def write_report(folder: Path) -> Path:
    """Write curves.png, README.md and report.html into the run's folder; the page's path."""
    record = Record(folder)
    save_curves(record.metrics, folder / "curves.png")
    _write(folder / "README.md", model_card(record))
    return _write(folder / "report.html", page(record))


def _write(path: Path, text: str) -> Path:
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def page(record: Record) -> str:
    """The whole page as HTML."""
    style = (resources.files(__package__) / "report.css").read_text(encoding="utf-8")
    sections = [
        head(record),
        samples(record),
        noising(record),
        figures(record),
        curves(record),
        again(record),
        details(record),
    ]
    title = escape(f"{record.name}: a Noiseloom run")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n<footer>Made by Noiseloom "
        + escape(str(record.environment.get("noiseloom", "")))
        + ".</footer>\n</body>\n</html>\n"
    )


def head(record: Record) -> str:
    """Name, task and the facts at a glance."""
    task = record.recipe.get("task", {})
    lead = f"{task.get('name', 'a model')}, learned from {record.data.get('source', 'data')}"
    facts = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>"
        for what, value in record.facts()
    )
    return (
        f"<h1>{escape(record.name)}</h1>\n"
        f'<p class="lead">{escape(lead)}</p>\n<dl class="facts">{facts}</dl>'
    )


def samples(record: Record) -> str:
    """The final sheet beside the walk from noise."""
    final = picture(
        record,
        "samples/final.png",
        "Samples of the trained model, one class a column where there are classes",
        "Samples of the averaged weights, as drawn: none was chosen or thrown away.",
    )
    walk = picture(
        record,
        "samples/denoising.gif",
        "Animation: noise turning into the samples, step by step",
        "The same samples on their way from noise.",
    )
    body = final + walk
    return f'<h2>Samples</h2>\n<div class="side">{body}</div>' if body else ""


def noising(record: Record) -> str:
    """The forward and the reverse process as strips."""
    forward = picture(
        record,
        "samples/forward.png",
        "Held-out items, a row each, from clean on the left to pure noise on the right",
        "Forward: held-out items as noise is added, t from 0 to 1.",
    )
    reverse = picture(
        record,
        "samples/denoising.png",
        "Samples, a row each, from noise on the left to the finished sample on the right",
        "Reverse: samples as the model takes the noise away.",
    )
    body = forward + reverse
    return f"<h2>Noise added, noise taken away</h2>\n{body}" if body else ""


def figures(record: Record) -> str:
    """Each figure beside what real data scores, with what it says; then the verdicts."""
    evaluation = record.evaluation
    if not evaluation.get("metrics"):
        return "<h2>Figures</h2>\n<p>Not measured yet: see below for the command.</p>"
    rows = "".join(_row(name, evaluation) for name in evaluation["metrics"])
    header = (
        '<tr><th>figure</th><th class="number">samples</th>'
        '<th class="number">real data</th><th>what it says</th></tr>'
    )
    protocol = evaluation.get("protocol", {})
    how = ", ".join(
        f"{key.replace('_', ' ')} {_plain(protocol[key])}"
        for key in ("num", "reference", "weights", "sampler", "steps", "guidance", "seed")
        if key in protocol
    )
    return (
        f'<h2>Figures</h2>\n<div class="scroll"><table>{header}{rows}</table></div>\n'
        f"<p>Protocol: {escape(how)}. Ranges hold the figure 95 times in 100; real data is scored "
        "on as many training items as there are samples, as a mean over draws.</p>\n"
        + "".join(verdicts(record))
    )


def _row(name: str, evaluation: Mapping[str, Any]) -> str:
    value, floor = evaluation["metrics"][name], evaluation.get("floor", {}).get(name)
    return (
        f"<tr><td>{escape(name.replace('_', ' '))}</td>"
        f'<td class="number">{number(value)}{_range(evaluation.get("intervals", {}), name)}</td>'
        f'<td class="number">{"" if floor is None else number(floor)}'
        f"{_range(evaluation.get('floor_intervals', {}), name)}</td>"
        f"<td>{escape(MEANINGS.get(name, ''))}</td></tr>"
    )


def _range(intervals: Mapping[str, Any], name: str) -> str:
    pair = intervals.get(name)
    if not isinstance(pair, list | tuple):
        return ""
    return f"<small>{number(pair[0])} to {number(pair[1])}</small>"


def verdicts(record: Record) -> list[str]:
    """Whether the features can be trusted, and whether the model copies."""
    checks = record.evaluation.get("checks", {})
    said = []
    if "informative" in checks:
        if checks["informative"]:
            text = (
                "The features can be trusted: they register blur, noise, a missing class and "
                "copied training images on this data."
            )
        else:
            missed = ", ".join(checks.get("not_registered", [])).replace("_", " ")
            text = f"Read distances with doubt: on this data the features do not register {missed}."
        said.append(_verdict(text, alarm=not checks["informative"]))
    memorisation = checks.get("memorisation")
    if memorisation:
        copies = memorisation.get("near_copies", 0)
        text = (
            "Samples lie nearer to training images than unseen real ones do: the model copies. "
            "Train for less time, on more images, or with drop-out."
            if record.is_alarming
            else "No sign of copying: samples are about as far from the training images as unseen "
            "real ones are."
        )
        text += f" {copies} of the samples stand out as near-copies." if copies else ""
        said.append(_verdict(text, alarm=record.is_alarming))
    return said


def _verdict(text: str, *, alarm: bool) -> str:
    return f'<p class="verdict{" alarm" if alarm else ""}">{escape(text)}</p>\n'


def curves(record: Record) -> str:
    """Loss and speed over training."""
    drawn = picture(
        record,
        "curves.png",
        "Four panels over training steps: loss, learning rate, gradient norm, items per second",
        "The held-out loss is that of the averaged weights, on items never trained on.",
        pixels=False,
    )
    return f"<h2>Training</h2>\n{drawn}" if drawn else ""


def again(record: Record) -> str:
    """Commands to copy."""
    folder = escape(str(record.folder))
    return (
        "<h2>Use it</h2>\n<pre><code>"
        f"noiseloom sample {folder} --num 64 --out samples.png\n"
        f"noiseloom evaluate {folder}\n"
        f"noiseloom resume {folder}</code></pre>"
    )


def details(record: Record) -> str:
    """The recipe, what was skipped in the data, and the environment, folded away."""
    warnings = record.data.get("warnings", [])
    parts = ["<h2>Details</h2>"]
    parts += [_verdict(str(text), alarm=True) for text in warnings]
    if record.recipe_text:
        parts.append(_folded("The recipe, every value resolved", record.recipe_text))
    if record.environment:
        lines = [f"{k}: {_plain(v)}" for k, v in record.environment.items()]
        parts.append(_folded("Where it ran", "\n".join(lines)))
    return "\n".join(parts) if len(parts) > 1 else ""


def _folded(title: str, text: str) -> str:
    return (
        f"<details><summary>{escape(title)}</summary>"
        f"<pre><code>{escape(text)}</code></pre></details>"
    )


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def picture(record: Record, name: str, alt: str, caption: str, *, pixels: bool = True) -> str:
    """A picture of the run inside the page; "" where the run has none of that name."""
    path = record.folder / name
    if not path.is_file():
        return ""
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    kind = ' class="pixels"' if pixels else ""
    return (
        f'<figure{kind}><img src="data:{MEDIA_TYPES[path.suffix]};base64,{content}" '
        f'alt="{escape(alt)}"><figcaption>{escape(caption)}</figcaption></figure>\n'
    )
