"""Writes a run's report: `report.html`, `README.md` (the model card) and `curves.png`.

And one page of several runs. Reads the runs' folders and nothing else; each file is written beside
its place and renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noiseloom.evaluate.curves import write_curves
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.model_card import card
from noiseloom.evaluate.page import page
from noiseloom.evaluate.page_together import together
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


def write_together(folders: Sequence[Path], place: Path) -> Path:
    """Write one page of the runs in `folders`, and the reports of those that have none.

    Answers `place`. Raises as `write_report`.
    """
    runs = [read_facts(folder) for folder in folders]
    for folder in folders:
        if not (folder / "report.html").is_file():
            write_report(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    with aside(place) as temporary:
        temporary.write_text(together(runs, place), encoding="utf-8")
    return place
