"""Reconstructing items with a task, to look at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from noiseloom import media
from noiseloom.data.dataset import Split
from noiseloom.data.forms import Form
from noiseloom.tasks import Reconstructs
from noiseloom.training.distributed import from_first

SHEET_ROWS = 4  # of originals, each with its reconstructions below
SHEET_COLUMNS = 10


@dataclass(frozen=True)
class Reconstructions:
    """Items as they were given and as they came back, as stored (images uint8 N, H, W, C).

    `latents` float32 (N, channels, height, width) is what they went through.
    """

    originals: np.ndarray
    items: np.ndarray
    latents: np.ndarray
    form: Form

    def picture(self, columns: int = SHEET_COLUMNS) -> Image:
        """Rows of originals, each over the row of its reconstructions."""
        columns = min(columns, len(self.items))
        rows = []
        for start in range(0, len(self.items) // columns * columns, columns):
            rows += [self.originals[start : start + columns], self.items[start : start + columns]]
        return self.form.picture(np.concatenate(rows), columns=columns)


def reconstructions_of(task: Reconstructs, items: np.ndarray) -> Reconstructions:
    """What a task makes of stored items."""
    found = task.reconstruct(items)
    return Reconstructions(np.array(items), found.items, found.latents.numpy(), task.form)


def save_reconstructions(task: Reconstructs, held_out: Split, path: Path) -> None:
    """Held-out items, evenly taken, over their reconstructions by the weights as they are."""
    num = min(len(held_out), SHEET_ROWS * SHEET_COLUMNS)
    chosen = np.linspace(0, len(held_out) - 1, num).round().astype(int)  # files come by class
    picture = reconstructions_of(task, held_out.items[chosen]).picture()
    from_first(lambda: media.save_png(picture, path))
