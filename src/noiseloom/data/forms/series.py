"""The form of series: numbers measured one after the other, of one or several channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.types import Device

from noiseloom.data.forms.form import Form
from noiseloom.media import MARK

HEIGHT, WIDTH, CAPTION, GAP = 64, 360, 16, 24  # pixels of a series in a picture
COLUMNS = 2

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")


@dataclass(frozen=True, kw_only=True)
class SeriesForm(Form):
    """Series of one length, float64 (N, steps, channels), as they were measured.

    They are read from the `columns` of a table, which are the steps of one that is wide and the
    channels of one that is long. The model sees each channel with mean 0 and a spread of 1:
    `channel_means` and `channel_stds` are those of the training items. Where labels are numbers,
    `number_mean` and `number_std` say how they lie round what they are counted from (`anchors`): 0,
    or, where they go on with a channel, `continued`, its last value.
    """

    channels: tuple[str, ...]
    columns: tuple[str, ...]
    is_long: bool
    channel_means: tuple[float, ...]
    channel_stds: tuple[float, ...]
    number_mean: float = 0.0
    number_std: float = 1.0
    continued: int | None = None

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """The numbers, each channel standardised: (N, steps, channels)."""
        standard = (np.asarray(items, np.float64) - self.channel_means) / self.channel_stds
        return torch.from_numpy(standard.astype(np.float32)).to(device)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """The inverse of `to_model`."""
        return x0.detach().cpu().double().numpy() * self.channel_stds + self.channel_means

    def anchors(self, items: np.ndarray) -> np.ndarray:
        """What the number of each item is counted from, float64 (N,)."""
        if self.continued is None:
            return np.zeros(len(items))
        return np.asarray(items[:, -1, self.continued], np.float64)

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image.Image:
        """A strip for each item, a line in it for each channel, under its label."""
        captions = None
        if labels is not None:
            captions = [
                self.class_names[int(label)] if self.class_names else f"{label:.3g}"
                for label in labels
            ]
        return self.strips(items, captions, columns=columns, scale=scale)

    def strips(
        self,
        items: np.ndarray,
        captions: Sequence[str] | None = None,
        *,
        marked: Sequence[bool] | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image.Image:
        """The same with a caption of one's own over each, red where it is marked."""
        columns = min(columns or COLUMNS, len(items))
        rows = -(-len(items) // columns)
        wide, high = WIDTH + GAP, HEIGHT + CAPTION
        sheet = Image.new("RGB", (columns * wide - GAP, rows * high), "white")
        pen = ImageDraw.Draw(sheet)
        seen = self.to_model(items).numpy()
        low, spread = float(seen.min()), max(float(np.ptp(seen)), 1e-12)
        for place, item in enumerate(seen):
            row, column = divmod(place, columns)
            left, top = column * wide, row * high
            x = left + np.linspace(0, WIDTH - 1, len(item))
            y = top + CAPTION + HEIGHT * (0.95 - 0.9 * (item - low) / spread)
            for channel in range(item.shape[1]):
                colour = COLOURS[channel % len(COLOURS)]
                pen.line(list(zip(x, y[:, channel], strict=True)), fill=colour)
            if captions is not None:
                fill = MARK if marked is not None and marked[place] else "black"
                pen.text((left + 4, top + 2), captions[place], fill=fill)
        return sheet.resize((sheet.width * (scale or 1), sheet.height * (scale or 1)))
