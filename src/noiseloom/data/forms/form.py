"""What every form has: see `noiseloom.data.forms`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL.Image import Image
from torch import Tensor, nn
from torch.types import Device

from noiseloom.data.caption_tokens import Captions
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Batch:
    """Items as they are stored, (B, …), with a label or captions each where there are any.

    `captions` (B, K, L) are as in `data.dataset.Split`.
    """

    items: np.ndarray
    labels: np.ndarray | None
    captions: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Form(ABC):
    """The shape of an item as the model sees it, and the classes' names (none: no labels)."""

    item_shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()

    @abstractmethod
    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """Stored items as the model sees them on `device`: float32, a copy."""

    @property
    def levels(self) -> tuple[float, float, int] | None:
        """The values that numbers take as the model sees them: first, step, how many; None: any."""
        return None

    @property
    def flip(self) -> bool:
        """Whether an item mirrored left-right is as good an item, and training sees either."""
        return False

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Of images of several sizes the height and width of each, that of `item_shape` first."""
        return ()

    @property
    def mean_shape(self) -> tuple[int, ...]:
        """The shape of what may be subtracted from an item of any size."""
        return (self.item_shape[0], 1, 1) if self.sizes else self.item_shape

    def shape_of(self, size: tuple[int, int] | None) -> tuple[int, ...]:
        """The shape of an item of this size; None: the usual one."""
        return self.item_shape if size is None else (self.item_shape[0], *size)

    @property
    def is_latent(self) -> bool:
        """Whether the model sees not the items themselves but an autoencoder's latents of them."""
        return False

    @property
    def state(self) -> nn.Module | None:
        """What a checkpoint must hold for the form to read the model's items; None: nothing."""
        return None

    @property
    def captions(self) -> Captions | None:
        """How captions of the items become tokens; None: items have no captions."""
        return None

    @property
    def told(self) -> int:
        """Numbers that a network is told of how an item was augmented; 0: it is told nothing."""
        return 0

    def augment(self, x0: Tensor, random: Random) -> tuple[Tensor, Tensor | None]:
        """Items as one step of training is to see them, and what the network is told of it.

        That is (B, told), 0 for an item as it is; None where `told` is 0.
        """
        return x0, None

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

    @classmethod
    def from_fields(cls, fields: dict[str, Any], folder: Path) -> Self:
        """The inverse of `to_mapping` and `save`, with what was saved in `folder`."""
        return cls(**fields)

    def save(self, folder: Path) -> None:
        """Write into `folder`, a run's, what is too large for `to_mapping`."""
        return None  # of most forms nothing is

    @property
    def is_numeric(self) -> bool:
        """Whether items are numbers that have a mean and a spread, as tokens have not."""
        return True
