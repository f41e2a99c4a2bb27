"""Draw images pixel by pixel, each from all before it, by class where the data has labels.

The likelihood of an image is then exact: the product of what each of its numbers was given (van den
Oord et al. 2016, arXiv:1601.06759, eq. 1). Numbers are levels of brightness; with 256 they are the
image itself. Fewer are easier to learn; then all of it is of the image at the nearest levels, which
is the image itself only where its own levels are among them, as the 17 of `digits` are.
Shapes: B batch, S strips, K numbers of a strip, V levels (`networks/pixel_transformer`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form, ImageForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.samplers import Step
from noiseloom.errors import InputError
from noiseloom.networks import Answer
from noiseloom.networks.pixel_transformer import PixelTransformer
from noiseloom.seeds import Random
from noiseloom.tasks import Request, Task
from noiseloom.tasks.brightness import nearest_level, of_level
from noiseloom.tasks.few_step_image_generation import only_mirrored


@dataclass(frozen=True, kw_only=True)
class Config:
    """Images told pixel by pixel."""

    answers: ClassVar[Answer] = "items"
    in_order: ClassVar[bool] = True

    levels: int = option(256, "levels of brightness, 2 to 256; 256: those of the files")

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= 256:
            raise ValueError(f"levels is {self.levels}; allowed is 2 to 256")

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> AutoregressiveImages:
        """The task on images of `form`, its network of the config `network`, freshly initialised.

        Raises ValueError where the data is no images.
        """
        if not isinstance(form, ImageForm):
            raise ValueError(
                "task autoregressive-image-generation tells pixels, and the data has none. Use "
                "data of images, such as images or digits"
            )
        model = network.build(self.levels, form.item_shape, len(form.class_names))
        return AutoregressiveImages(self, model, form)


class AutoregressiveImages:
    """The loss of a network that tells pixels in order, their likelihood, and samples."""

    def __init__(self, config: Config, model: PixelTransformer, form: ImageForm) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.levels = config.levels

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The mean cross entropy of each image's numbers, nats, (B,)."""
        x0 = self.form.to_model(batch.items)
        if training:
            x0, _ = only_mirrored(self.form).augment(x0, random)
        return self._nats(x0, batch.labels, random if training else None).mean(dim=1)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed nats a number, and the number of images."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def nats(self, items: np.ndarray, labels: np.ndarray | None) -> Tensor:
        """See `HasExactLikelihood.nats`."""
        return self._nats(self.form.to_model(items), labels, None).double().sum(dim=1).cpu()

    def kept(self, items: np.ndarray) -> np.ndarray:
        """See `HasExactLikelihood.kept`."""
        levels = nearest_level(self.form.to_model(items), self.levels)
        return self.form.to_items(of_level(levels, self.levels))

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Images of `random`'s items, a step for each row of pixels; black where none is yet.

        Raises InputError where anything but classes is asked for.
        """
        if wishes := [*request.given, *(["--given"] if request.known is not None else [])]:
            raise InputError(
                f"{', '.join(wishes)} would say how noise becomes an image, and this run draws "
                "pixel by pixel, with nothing to choose. Leave it out"
            )
        return self._draw(request.labels, random)

    def _draw(self, labels: Tensor | None, random: Random) -> Iterator[Step]:
        network, height = self.model, self.form.item_shape[1]
        device = next(network.parameters()).device
        if labels is not None:
            labels = labels.to(device)
        shape = (network.strips, network.numbers)
        chance_BSK = random.uniform("pixels", shape).to(device)
        levels_BSK = torch.zeros(chance_BSK.shape, dtype=torch.long, device=device)
        for strip, number, logits in network.walk(levels_BSK, labels):
            levels_BSK[:, strip, number] = chosen(logits, chance_BSK[:, strip, number])
            rows, begun = divmod(strip + 1, network.columns)
            if not begun and number == network.numbers - 1:
                x = self._picture(levels_BSK)
                yield Step(rows - 1, 1 - rows / height, x, x)

    def describe(self, request: Request) -> dict[str, Any]:
        """How samples are drawn."""
        calls = self.model.strips * self.model.numbers
        return {"sampler": "pixel by pixel", "levels": self.levels, "network_calls": calls}

    def _nats(self, x0: Tensor, labels: np.ndarray | None, random: Random | None) -> Tensor:
        """The cross entropy of each number of images, (B, S x K)."""
        device = next(self.model.parameters()).device
        levels_BSK = self._strips(nearest_level(x0, self.levels)).to(device)
        told = None if labels is None else torch.from_numpy(np.array(labels)).to(device)
        logits = self.model(levels_BSK, told, random).float()
        nats = F.cross_entropy(logits.flatten(0, 2), levels_BSK.flatten(), reduction="none")
        return nats.view(len(x0), -1)

    def _strips(self, levels_BCHW: Tensor) -> Tensor:
        """Pixels in the order of reading, (B, S, K)."""
        return levels_BCHW.permute(0, 2, 3, 1).reshape(
            len(levels_BCHW), self.model.strips, self.model.numbers
        )

    def _picture(self, levels_BSK: Tensor) -> Tensor:
        """The inverse, as the model's items: (B, C, H, W) in [-1, 1]."""
        channels, height, width = self.form.item_shape
        in_rows = levels_BSK.reshape(len(levels_BSK), height, width, channels)
        return of_level(in_rows.permute(0, 3, 1, 2), self.levels)


def chosen(logits_BV: Tensor, chance_B: Tensor) -> Tensor:
    """The level (B,) at which the cumulated probability first passes `chance`, in [0, 1)."""
    cumulated = logits_BV.double().softmax(dim=-1).cumsum(dim=-1)
    wanted = chance_B.double()[:, None] * cumulated[:, -1:]  # rounding leaves the last near 1
    return torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(
        max=logits_BV.shape[-1] - 1
    )
