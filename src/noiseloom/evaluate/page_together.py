"""Several runs on one page: of each what it is, what it came to, and what it made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from noiseloom.evaluate.facts import Facts
from noiseloom.evaluate.page import document, lead, listed
from noiseloom.evaluate.page_parts import picture_of
from noiseloom.evaluate.page_text import MOST_SHOWN
from noiseloom.evaluate.verdicts import verdicts

PICTURES = {  # files of `samples/`: of each run those that are there
    "asked.png": "Drawn for a sentence.",
    "final.png": "Samples of the finished run, not picked by hand.",
    "final.gif": "Clips of the finished run, moving.",
    "denoising.gif": "How they form.",
    "predictions.png": "Held-out items and the class read in each.",
    "reconstructions.png": "Held-out items over what came back of them.",
}


def together(runs: Sequence[Facts], place: Path) -> str:
    """The document, which is to lie at `place`: it links to the reports of `runs`."""
    number = f"{len(runs)} runs" if len(runs) > 1 else "One run"
    head = (
        f'<header>\n<p class="eyebrow">Noiseloom</p>\n<h1>{number}</h1>\n'
        f'<p class="lead">{escape(", ".join(run.name for run in runs))}</p>\n</header>'
    )
    foot = "<footer>Each run's own report holds its figures, its recipe and how to go on.</footer>"
    body = "\n".join(section(run, place) for run in runs)
    return document(f"Noiseloom: {number}", head, body, foot)


def section(facts: Facts, place: Path) -> str:
    """A run: a sentence, its verdicts, what it made, where its report lies."""
    found = verdicts(facts)
    said = listed(found) if found else '<p class="note">This run has not been measured.</p>'
    pictures = "".join(picture_of(facts, name, text, text) for name, text in PICTURES.items())
    shown = f'<div class="row wide">{pictures}</div>' if pictures else ""
    if text := facts.written.strip():
        shown += f'<pre class="text">{escape(text[:MOST_SHOWN])}</pre>'
    report = os.path.relpath(facts.folder / "report.html", place.parent)
    return (
        f"<h2>{escape(facts.name)}</h2><p>{lead(facts)}</p>{said}{shown}"
        f'<p><a href="{quote(report)}">The whole report</a></p>'
    )
