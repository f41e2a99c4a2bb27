"""The form of clips: pictures of one size, the same number of them in each clip, in time order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.types import Device

from noiseloom.data.forms.form import Form
from noiseloom.data.forms.pictures import finite
from noiseloom.media import strip


@dataclass(frozen=True, kw_only=True)
class VideoForm(Form):
    """Clips, uint8 (N, T, H, W, C) as stored, of `rate` frames a second.

    The model sees (N, C, T, H, W), x / 127.5 - 1.
    """

    rate: float

    @property
    def frames(self) -> int:
        """How many frames a clip has."""
        return self.item_shape[1]

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """(B, T, H, W, C) uint8 to (B, C, T, H, W) in [-1, 1]."""
        pixels = torch.from_numpy(np.array(items, dtype=np.uint8)).to(device)
        pixels = pixels.permute(0, 4, 1, 2, 3)
        return pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)

    @property
    def levels(self) -> tuple[float, float, int]:
        """256 levels from -1 to 1."""
        return -1.0, 1 / 127.5, 256

    def to_items(self, x0: Tensor) -> np.ndarray:
        """(B, C, T, H, W) to (B, T, H, W, C), rounded and clipped; the inverse of `to_model`."""
        pixels = finite(x0).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 4, 1).contiguous().numpy()

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A row of frames for each clip, under its class where `labels` are given."""
        captions = None
        if labels is not None and self.class_names:
            captions = [self.class_names[int(label)] for label in labels]
        return strip(items, captions, scale)
