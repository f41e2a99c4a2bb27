"""Forms of what is looked at: images, and points in the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.types import Device

from noiseloom.data import augmentation
from noiseloom.data.forms.form import Form
from noiseloom.errors import MachineError
from noiseloom.media import grid, scatter
from noiseloom.seeds import Random


@dataclass(frozen=True, kw_only=True)
class ImageForm(Form):
    """Images of one size with 1 (grey) or 3 channels; the model sees x / 127.5 - 1.

    `flip`: an image mirrored left-right is as good an image, and training sees either.
    `augment_probability`: how often each change of `augmentation` is made in training; images so
    changed are not of the data's kind, and the network is told.
    """

    flip: bool = False
    augment_probability: float = 0.0

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """(B, H, W, C) uint8 to (B, C, H, W) in [-1, 1]."""
        pixels = torch.from_numpy(np.array(items, dtype=np.uint8)).to(device).permute(0, 3, 1, 2)
        return pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)

    @property
    def levels(self) -> tuple[float, float, int]:
        """256 levels from -1 to 1."""
        return -1.0, 1 / 127.5, 256

    @property
    def told(self) -> int:
        """See `Form.told`."""
        return augmentation.TOLD if self.augment_probability else 0

    def augment(self, x0: Tensor, random: Random) -> tuple[Tensor, Tensor | None]:
        """Each image mirrored with probability 1/2, where `flip` allows it; then the changes."""
        if self.flip:
            mirrored = random.chance("flip", 0.5).to(x0.device)
            x0 = torch.where(mirrored[:, None, None, None], x0.flip(-1), x0)
        if not self.augment_probability:
            return x0, None
        height, width = x0.shape[-2:]
        told = augmentation.draw(self.augment_probability, (height, width), random)
        return augmentation.changed(x0, told), told.to(x0.device)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """(B, C, H, W) to (B, H, W, C), rounded and clipped; the inverse of `to_model`."""
        pixels = finite(x0).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).contiguous().numpy()

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A grid of the images, each with its class below where `labels` are given."""
        captions = None
        if labels is not None and self.class_names:
            captions = [self.class_names[int(label)] for label in labels]
        return grid(items, columns, scale, captions)


@dataclass(frozen=True, kw_only=True)
class PointForm(Form):
    """Points in the plane, seen as they are; drawn on a square from -limit to limit."""

    limit: float

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """The points as they are."""
        return torch.from_numpy(np.array(items, dtype=np.float32)).to(device)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """The points as they are."""
        return finite(x0).numpy()

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A scatter plot; `columns` has no meaning here."""
        return scatter(items, labels, 480 * (scale or 1), self.limit)


def finite(x0: Tensor) -> Tensor:
    """`x0` on the CPU in float32; MachineError where it is not finite."""
    x0 = x0.detach().to("cpu", torch.float32)
    bad = int((~x0.isfinite()).flatten(1).any(1).sum())
    if bad:
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(x0)} items; "
            "use an earlier checkpoint."
        )
    return x0
