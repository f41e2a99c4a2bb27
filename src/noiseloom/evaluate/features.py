"""Features learned on the user's own data: 128 numbers an image, in which samples are compared.

Inception features know ImageNet, not these images, and need a download. A small network learned
here on the training split (`feature_learning`) serves better: a classifier where there are labels,
otherwise VICReg. `self_check` says whether the result can be trusted.

Shapes: B images, C channels, H and W pixels, D = 128 features. Everything is float32 on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.networks.image_encoder import ImageEncoder

CHUNK_PIXELS = 1_000_000  # pixels that pass through the network together

ToModel = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class Features:
    """A learned encoder; `classify` is None where it was learned without labels.

    `mean` and `scale` bring the training split's features to mean 0 and an average variance of 1,
    so that distances have the same order of size on all data.
    """

    encoder: nn.Module
    classify: nn.Module | None
    mean: Tensor
    scale: float

    @property
    def kind(self) -> str:
        """How they were learned."""
        return "self-supervised (VICReg)" if self.classify is None else "classifier"

    @torch.no_grad()
    def embed(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (B, D) of images, and the class read in each (B,), int64."""
        raw = self.encoder(images)
        labels = None if self.classify is None else self.classify(raw).argmax(dim=1)
        return (raw - self.mean) / self.scale, labels

    def embed_items(self, items: np.ndarray, to_model: ToModel) -> tuple[Tensor, Tensor | None]:
        """The same for items as they are stored, in chunks of bounded memory."""
        parts = [self.embed(to_model(chunk)) for chunk in chunks(items)]
        features = torch.cat([part for part, _ in parts])
        if self.classify is None:
            return features, None
        return features, torch.cat([labels for _, labels in parts if labels is not None])


def new_encoder(channels: int, size: int, generator: torch.Generator) -> ImageEncoder:
    """An encoder to learn, in the memory format that is fastest for it on a processor."""
    encoder = ImageEncoder(channels, size, generator)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # not in its hints
    return encoder


def chunks(items: np.ndarray) -> Iterator[np.ndarray]:
    """Items in runs of about `CHUNK_PIXELS` numbers."""
    length = max(1, CHUNK_PIXELS // max(1, math.prod(items.shape[1:])))
    for start in range(0, len(items), length):
        yield items[start : start + length]


def standardised(encoder: nn.Module, classify: nn.Module | None, raw: Tensor) -> Features:
    """Features with the mean and scale of `raw` (N, D), the encoder's output on training images."""
    scale = float(raw.double().var(dim=0).mean().sqrt())
    return Features(encoder, classify, raw.mean(dim=0), max(scale, 1e-12))
