"""The plain image classifier: the encoder that evaluation learns its features with, and a head.

It is told the noise level as every network is, so that it can read noisy images too: guiding a
sampler with a classifier needs one that does (Dhariwal & Nichol 2021, arXiv:2105.05233, part 4).
Shapes: B images, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from noiseloom.config import option
from noiseloom.networks import Answer
from noiseloom.networks.embeddings import LevelAndLabel
from noiseloom.networks.image_encoder import DIMENSION, WIDTH, ImageEncoder
from noiseloom.seeds import Random
from noiseloom.transformer.blocks import drop

LEVEL_WIDTH = 64  # numbers that stand for the noise level


@dataclass(frozen=True, kw_only=True)
class Config:
    """Three convolutions and a linear layer to features, and one from them to the classes."""

    answers: ClassVar[Answer] = "classes"

    width: int = option(WIDTH, "channels of the first convolution, the others have 2 and 4 times")
    features: int = option(DIMENSION, "numbers an image is summed up in before its class is read")
    dropout: float = option(0.0, "share of the features dropped in training")

    def __post_init__(self) -> None:
        if self.width < 1 or self.features < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"width {self.width}, features {self.features} and dropout {self.dropout} are "
                "given; allowed is width and features of at least 1 and dropout from 0 to below 1"
            )

    def build(self, item_shape: Sequence[int], num_classes: int) -> "ConvolutionalClassifier":
        """The network for images (C, height, width) of classes 0 … num_classes - 1.

        Raises ValueError for items that are no images, and for fewer than two classes.
        """
        if len(item_shape) != 3:
            raise ValueError(
                f"convolutional-classifier takes images (channels, height, width); the data's "
                f"items have shape {tuple(item_shape)}. Use data of images with it"
            )
        if num_classes < 2:
            raise ValueError(
                f"convolutional-classifier tells classes apart and was given {num_classes}; it "
                "needs at least 2. Use data with labels"
            )
        return ConvolutionalClassifier(self, item_shape, num_classes)


class ConvolutionalClassifier(nn.Module):
    """An encoder shifted by the noise level, and a linear head; starts at logits of 0."""

    def __init__(self, config: Config, item_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        channels, *sides = item_shape
        self.encoder = ImageEncoder(
            channels, max(sides), width=config.width, dimension=config.features
        )
        self.level = LevelAndLabel(LEVEL_WIDTH, 0)
        self.shifts = nn.ModuleList(nn.Linear(LEVEL_WIDTH, width) for width in self.encoder.widths)
        self.dropout = config.dropout
        self.head = nn.Linear(config.features, num_classes)
        for layer in (*self.shifts, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        condition: Tensor | None = None,
        random: Random | None = None,
    ) -> Tensor:
        """Logits (B, classes); `level` is one number an image, and `condition` always None."""
        if level.ndim != 1 or condition is not None:
            raise ValueError(
                f"convolutional-classifier was given noise levels of shape {tuple(level.shape)} "
                f"and {'no' if condition is None else 'a'} condition; it takes one level an image "
                "and no condition: the class is what it is asked for"
            )
        features = F.relu(self.encoder(x, self._shifts(level)))
        return self.head(drop(features, self.dropout, random, "features"))

    def maps(self, x: Tensor, level: Tensor) -> list[Tensor]:
        """What each convolution leaves (B, channels, height, width), finest first."""
        return self.encoder.maps(x, self._shifts(level))

    def _shifts(self, level: Tensor) -> list[Tensor]:
        told = F.silu(self.level(level, None))
        return [shift(told) for shift in self.shifts]
