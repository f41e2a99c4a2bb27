"""The form of series: numbers measured one after the other, of one or several channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from noiseloom.data.forms.form import Form

HEIGHT, WIDTH = 80, 480  # pixels of a series in a picture
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")


@dataclass(frozen=True, kw_only=True)
class SeriesForm(Form):
    """Series of one length, float32 (N, steps, channels), seen as they are.

    `number_mean` and `number_std` are those of the training labels where labels are numbers.
    """

    number_mean: float = 0.0
    number_std: float = 1.0

    def to_model(self, items: np.ndarray) -> Tensor:
        """The numbers as they are."""
        return torch.from_numpy(np.array(items, dtype=np.float32))

    def to_items(self, x0: Tensor) -> np.ndarray:
        """The numbers as they are."""
        return x0.detach().to("cpu", torch.float32).numpy()

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image.Image:
        """A strip for each item, a line in it for each channel, with its label."""
        sheet = Image.new("RGB", (WIDTH, HEIGHT * len(items)), "white")
        pen = ImageDraw.Draw(sheet)
        low, high = float(np.min(items)), float(np.max(items))
        for row, item in enumerate(items):
            x = np.linspace(0, WIDTH - 1, len(item))
            y = HEIGHT * (row + 0.95 - 0.9 * (item - low) / max(high - low, 1e-12))
            for channel in range(item.shape[1]):
                colour = COLOURS[channel % len(COLOURS)]
                pen.line(list(zip(x, y[:, channel], strict=True)), fill=colour)
            if labels is not None:
                label = labels[row]
                name = self.class_names[int(label)] if self.class_names else f"{label:.3g}"
                pen.text((4, HEIGHT * row + 4), name, fill="black")
        return sheet.resize((sheet.width * (scale or 1), sheet.height * (scale or 1)))
