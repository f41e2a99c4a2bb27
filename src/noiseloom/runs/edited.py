"""What came of an edit, beside what was given: a sheet to look at, files, figures in words."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from noiseloom import media
from noiseloom.runs.drawing import Samples

SHEET_CELL = 84  # pixels: a picture with a word below
COLUMNS = 10


@dataclass(frozen=True)
class Edited:
    """What an edit made: `samples`, what was `given` (caption, item), and `figures` to be told."""

    samples: Samples
    given: tuple[tuple[str, np.ndarray], ...]
    recipe_text: str
    captions: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    def picture(self) -> Image:
        """One sheet: what was given, then what came of it."""
        items = np.stack([*(item for _, item in self.given), *self.samples.items])
        numbers = [str(number) for number in range(1, len(self.samples.items) + 1)]
        captions = [*(word for word, _ in self.given), *(self.captions or numbers)]
        scale = max(1, round(SHEET_CELL / max(items.shape[1:3])))
        return media.grid(items, min(len(items), COLUMNS), scale, captions)

    def said(self) -> list[str]:
        """The figures in words, a line each."""
        lines = []
        for steps, error in self.figures.get("error_by_steps", {}).items():
            lines.append(
                f"{steps:>4} steps there and back: {error:.2f} of 255 away (root mean square)"
            )
        if (off := self.figures.get("largest_difference")) is not None:
            lines.append(f"averaged again, at most {off:.2f} of 255 away from the given picture")
        return lines

    def save(self, out: str | Path) -> Path:
        """Write FILE.png (the sheet), FILE.gif (the way), FILE.npz or DIR/ (the results alone)."""
        if media.sample_kind(out) == "png":
            return media.save_png(self.picture(), Path(out), {"recipe": self.recipe_text})
        samples = self.samples
        return media.save_samples(
            samples.items,
            samples.labels,
            out,
            recipe_text=self.recipe_text,
            class_names=samples.form.class_names,
            frames=samples.frames,
        )
