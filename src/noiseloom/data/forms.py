"""What items look like, apart from the items: enough to sample from a run without its data.

Items are stored as people keep them: images as uint8 (N, H, W, C), usually memory-mapped, points
as float32 (N, 2). A form turns them into the model's float32 tensors and back, and draws them; it
is written into the run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from noiseloom.errors import MachineError
from noiseloom.media import grid, scatter
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Batch:
    """Items as they are stored, (B, …), with a label each where there are labels."""

    items: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Form(ABC):
    """The shape of an item as the model sees it, and the classes' names (none: no labels)."""

    item_shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()

    @abstractmethod
    def to_model(self, items: np.ndarray) -> Tensor:
        """Stored items as the model sees them: float32 on the CPU, a copy."""

    def augment(self, x0: Tensor, random: Random) -> Tensor:
        """Items as the model sees them, as one step of training is to see them."""
        return x0

    @abstractmethod
    def to_items(self, x0: Tensor) -> np.ndarray:
        """What a model made, as items are stored; MachineError where it is not finite."""

    @abstractmethod
    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """Items to look at on one sheet, with their labels where given."""

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `form_from` reads."""
        return {"kind": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class ImageForm(Form):
    """Images of one size with 1 (grey) or 3 channels; the model sees x / 127.5 - 1.

    `flip`: an image mirrored left-right is as good an image, and training sees either.
    """

    flip: bool = False

    def to_model(self, items: np.ndarray) -> Tensor:
        """(B, H, W, C) uint8 to (B, C, H, W) in [-1, 1]."""
        pixels = torch.from_numpy(np.array(items, dtype=np.uint8)).permute(0, 3, 1, 2)
        return pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)

    def augment(self, x0: Tensor, random: Random) -> Tensor:
        """Each image mirrored with probability 1/2, where `flip` allows it."""
        if not self.flip:
            return x0
        mirrored = random.chance("flip", 0.5).to(x0.device)
        return torch.where(mirrored[:, None, None, None], x0.flip(-1), x0)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """(B, C, H, W) to (B, H, W, C), rounded and clipped; the inverse of `to_model`."""
        pixels = _finite(x0).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
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

    def to_model(self, items: np.ndarray) -> Tensor:
        """The points as they are."""
        return torch.from_numpy(np.array(items, dtype=np.float32))

    def to_items(self, x0: Tensor) -> np.ndarray:
        """The points as they are."""
        return _finite(x0).numpy()

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A scatter plot; `columns` has no meaning here."""
        return scatter(items, labels, 480 * (scale or 1), self.limit)


FORMS: dict[str, type[Form]] = {"ImageForm": ImageForm, "PointForm": PointForm}


def form_from(mapping: Mapping[str, Any]) -> Form:
    """The form that `Form.to_mapping` described, also after a way through JSON."""
    fields = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in mapping.items()
        if key != "kind"
    }
    return FORMS[mapping["kind"]](**fields)


def _finite(x0: Tensor) -> Tensor:
    x0 = x0.detach().to("cpu", torch.float32)
    bad = int((~x0.isfinite()).flatten(1).any(1).sum())
    if bad:
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(x0)} items; "
            "use an earlier checkpoint."
        )
    return x0
