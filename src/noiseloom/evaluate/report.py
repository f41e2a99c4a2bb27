"""Writes a run's report: `report.html`, `README.md` (the model card) and `curves.png`.

Reads the run's folder and nothing else; each file is written beside its place and renamed.
"""

from __future__ import annotations

from pathlib import Path

from noiseloom.evaluate.curves import write_curves
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.model_card import card
from noiseloom.evaluate.page import page
from noiseloom.media import aside


def write_report(folder: Path) -> Path:
    """Write the report of the run in `folder`; answers the path of report.html.

    Raises InputError where `folder` is no run, MachineError where it cannot be written to.
    """
    facts = read_facts(folder)
    write_curves(facts)
    for name, content in (("README.md", card(facts)), ("report.html", page(facts))):
        with aside(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return folder / "report.html"
