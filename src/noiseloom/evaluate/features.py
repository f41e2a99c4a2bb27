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
from torch.nn import functional as F

DIMENSION = 128
CHUNK_PIXELS = 1_000_000  # pixels that pass through the network together

ToModel = Callable[[np.ndarray], Tensor]


class Encoder(nn.Module):
    """Three convolutions and a linear layer: images (B, C, H, W) in [-1, 1] to features (B, D).

    The strides bring any size down to about 4 x 4; a large image is strided over at the entry, not
    shrunk before it, so that its fine detail is seen and the cost stays bounded.
    """

    WIDTHS = (24, 48, 96)

    def __init__(self, channels: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        halvings = max(0, round(math.log2(size / 4)))
        later = [2 if halvings >= 2 else 1, 2 if halvings >= 1 else 1]
        entry = 2 ** max(0, halvings - 2)
        first, second, third = self.WIDTHS
        self.convolutions = nn.ModuleList(
            [
                _convolution(channels, first, max(entry, 2) + 3, entry, generator),
                _convolution(first, second, 3, later[0], generator),
                _convolution(second, third, 3, later[1], generator),
            ]
        )
        self.head = linear(third * 16, DIMENSION, generator)

    def forward(self, images: Tensor) -> Tensor:
        x = images.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.head(F.adaptive_avg_pool2d(x, 4).flatten(1))


def _convolution(
    channels: int, width: int, kernel: int, stride: int, generator: torch.Generator
) -> nn.Conv2d:
    layer = nn.utils.skip_init(
        nn.Conv2d, channels, width, kernel, stride=stride, padding=(kernel - 1) // 2
    )
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer.to(memory_format=torch.channels_last)


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer whose first weights come from `generator`; the global one is not touched."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.normal_(layer.weight, std=inputs**-0.5, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


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


def chunks(items: np.ndarray) -> Iterator[np.ndarray]:
    """Items in runs of about `CHUNK_PIXELS` numbers."""
    length = max(1, CHUNK_PIXELS // max(1, math.prod(items.shape[1:])))
    for start in range(0, len(items), length):
        yield items[start : start + length]


def standardised(encoder: nn.Module, classify: nn.Module | None, raw: Tensor) -> Features:
    """Features with the mean and scale of `raw` (N, D), the encoder's output on training images."""
    scale = float(raw.double().var(dim=0).mean().sqrt())
    return Features(encoder, classify, raw.mean(dim=0), max(scale, 1e-12))
