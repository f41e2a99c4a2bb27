"""What a view found: sections for people, arrays and figures for programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.media import aside
from noiseloom.runs.folders import make_next_folder
from noiseloom.training.checkpoints import disk_errors, write_text


@dataclass(frozen=True)
class Section:
    """A part of a page: a heading, and HTML in which every text has been escaped (see `parts`)."""

    heading: str
    html: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What was found.

    `lead` is a sentence or two of plain text; `data` are arrays, each behind what its axes are,
    which are saved as `.npz`, `figures` and `protocol` as JSON. What is the same of every view,
    which weights and seed, `explain` adds to the protocol.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    protocol: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, tuple[str, np.ndarray]] = field(default_factory=dict)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays alone."""
        return {name: array for name, (_, array) in self.data.items()}

    @property
    def axes(self) -> dict[str, str]:
        """What the axes of each array are."""
        return {name: axes for name, (axes, _) in self.data.items()}

    def document(self) -> dict[str, Any]:
        """Figures and protocol as JSON."""
        return {
            "title": self.title,
            "lead": self.lead,
            "figures": dict(self.figures),
            "protocol": dict(self.protocol),
            "arrays": {
                name: {"shape": list(array.shape), "axes": axes}
                for name, (axes, array) in self.data.items()
            },
        }

    def save(self, run_folder: Path, what: str) -> Path:
        """Write page, figures and arrays into a new folder `explain/<what>-<n>` of the run.

        The folder is taken away again where that fails or is interrupted.
        """
        from noiseloom.explain.page import page  # it needs Explanation

        parent = run_folder / "explain"
        html, document = (
            page(self, run_folder.resolve().name),
            json.dumps(self.document(), indent=1),
        )
        with disk_errors(f"The explanation '{what}'", parent):
            folder = make_next_folder(parent, what)
            try:
                if self.arrays:
                    with aside(folder / "arrays.npz") as temporary, temporary.open("wb") as file:
                        np.savez_compressed(file, allow_pickle=False, **self.arrays)
                write_text(folder / "explanation.json", document)
                write_text(folder / "page.html", html)
            except BaseException:  # Ctrl-C too: half an explanation is none
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return folder
