"""Reconstruct images by way of smaller latents, in which another model can then learn to draw.

The first stage of latent diffusion (Rombach et al. 2022, arXiv:2112.10752, section 3.1), without an
adversary: the squared error of pixels, what the bottleneck asks, and, if wanted, a distance in what
a classifier of the same data sees.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.networks.autoencoder import Autoencoder, Reconstruction
from noiseloom.seeds import Random
from noiseloom.tasks import Perceives, Reconstructed, Task
from noiseloom.tasks.perceptual_distance import Perceptual, perceptual_distance

CHUNK_PIXELS = 400_000  # numbers of images that pass through the network together


@dataclass(frozen=True, kw_only=True)
class Config:
    """Reconstruction of images by squared error, and by features if wanted."""

    answers: ClassVar[Answer] = "reconstructions"

    perceptual: Perceptual | None = option(
        None, "a distance in features of your own data, too; null: pixels only"
    )

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "ImageReconstruction":
        """The task on items of `form`, with a network of the config `network`, freshly initialised.

        `statistics` are those of the data as the model sees it.
        """
        seen = None
        if self.perceptual is not None:
            seen = self.perceptual.find("perceptual", form, others)
        core = network.build(form.item_shape, len(form.class_names))
        return ImageReconstruction(self, Reconstructor(core, statistics), form, seen)


class Reconstructor(nn.Module):
    """An autoencoder that sees its items centred and with unit variance."""

    data_mean: Tensor
    data_std: Tensor

    def __init__(self, network: Autoencoder, statistics: Statistics) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("data_mean", statistics.mean)
        self.register_buffer("data_std", torch.tensor(statistics.std))

    def forward(self, x: Tensor, random: Random | None = None) -> Reconstruction:
        """Items there and back."""
        back, code = self.network(self._scaled(x), random)
        return Reconstruction(self._unscaled(back), code)

    def encode(self, x: Tensor) -> Tensor:
        """The latents of items."""
        return self.network.encode(self._scaled(x))

    def decode(self, latents: Tensor) -> Tensor:
        """The items of latents."""
        return self._unscaled(self.network.decode(latents))

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.data_mean) / self.data_std

    def _unscaled(self, x: Tensor) -> Tensor:
        return self.data_mean + self.data_std * x.float()


class ImageReconstruction:
    """The loss of an autoencoder on items of a form, and what it makes of others."""

    def __init__(
        self, config: Config, model: Reconstructor, form: Form, seen: Perceives | None
    ) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.seen = seen
        self.latent_shape = model.network.latent_shape
        self.num_codes = model.network.bottleneck.num_codes

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Of each item (B,): squared error of a number, the bottleneck's part, the features'."""
        device = next(self.model.parameters()).device
        x = self.form.to_model(batch.items, device)
        if training:
            x, _ = self.form.augment(x, random)
        back, code = self.model(x, random if training else None)
        losses = (back - x).square().flatten(1).mean(1) + code.penalty
        if self.seen is not None:
            assert self.config.perceptual is not None
            losses += self.config.perceptual.weight * perceptual_distance(self.seen, back, x)
        return losses

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed losses and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    def tend(self, random: Random) -> None:
        """Between the backward and the update of a step: unused codes are moved."""
        self.model.network.bottleneck.tend(random)

    @torch.no_grad()
    def encode(self, items: np.ndarray) -> Tensor:
        """Latents (N, *latent_shape) of stored items, float32, on the CPU."""
        parts = [self.model.encode(x).float().cpu() for x in self._chunks(items)]
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents as items as the model sees them, float32, on the CPU."""
        device = next(self.model.parameters()).device
        parts = latents.split(self._chunk)
        return torch.cat([self.model.decode(part.to(device)).cpu() for part in parts])

    @torch.no_grad()
    def reconstruct(self, items: np.ndarray) -> Reconstructed:
        """Stored items there and back, by the model as a whole."""
        backs, codes = zip(*(self.model(x) for x in self._chunks(items)), strict=True)
        return Reconstructed(
            self.form.to_items(torch.cat(backs)),
            torch.cat([code.latents for code in codes]).float().cpu(),
            _together([code.nats for code in codes]),
            _together([code.indices for code in codes]),
        )

    @property
    def _chunk(self) -> int:
        return max(1, CHUNK_PIXELS // int(np.prod(self.form.item_shape)))

    def _chunks(self, items: np.ndarray) -> Iterator[Tensor]:
        """Stored items as the model sees them, on its device, a bounded number at a time."""
        device = next(self.model.parameters()).device
        for start in range(0, len(items), self._chunk):
            yield self.form.to_model(items[start : start + self._chunk], device)


def _together(parts: list[Tensor | None]) -> Tensor | None:
    found = [part.cpu() for part in parts if part is not None]
    return torch.cat(found) if found else None
