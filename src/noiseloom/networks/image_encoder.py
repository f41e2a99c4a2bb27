"""Images to features: what classifiers and the evaluation's own features are made of.

Shapes: B images, C channels, H and W pixels, D features.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 24  # channels after the first convolution
DIMENSION = 128  # features
POOLED = 4  # sides of what the last convolution leaves, after pooling


class ImageEncoder(nn.Module):
    """Three convolutions and a linear layer: images (B, C, H, W) to features (B, D).

    The strides bring any size down to about 4 x 4; a large image is strided over at the entry, not
    shrunk before it, so that its fine detail is seen and the cost stays bounded. First weights come
    from `generator`, from torch's global one if None.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        generator: torch.Generator | None = None,
        *,
        width: int = WIDTH,
        dimension: int = DIMENSION,
    ) -> None:
        super().__init__()
        halvings = max(0, round(math.log2(size / POOLED)))
        later = [2 if halvings >= 2 else 1, 2 if halvings >= 1 else 1]
        entry = 2 ** max(0, halvings - 2)
        self.widths = (width, 2 * width, 4 * width)
        first, second, third = self.widths
        self.convolutions = nn.ModuleList(
            [
                _convolution(channels, first, max(entry, 2) + 3, entry, generator),
                _convolution(first, second, 3, later[0], generator),
                _convolution(second, third, 3, later[1], generator),
            ]
        )
        self.head = linear(third * POOLED**2, dimension, generator)

    def forward(self, images: Tensor, shifts: Sequence[Tensor] | None = None) -> Tensor:
        """Features (B, D); `shifts` (B, width) are added to what each convolution says."""
        return self.head(F.adaptive_avg_pool2d(self.maps(images, shifts)[-1], POOLED).flatten(1))

    def maps(self, images: Tensor, shifts: Sequence[Tensor] | None = None) -> list[Tensor]:
        """What each convolution leaves (B, width, height, width), in order; `shifts` as above."""
        x = images.contiguous(memory_format=torch.channels_last)
        left = []
        for index, convolution in enumerate(self.convolutions):
            x = convolution(x)
            if shifts is not None:
                x = x + shifts[index][:, :, None, None]
            x = F.relu(x)
            left.append(x)
        return left


def _convolution(
    channels: int, width: int, kernel: int, stride: int, generator: torch.Generator | None
) -> nn.Conv2d:
    layer = nn.utils.skip_init(
        nn.Conv2d, channels, width, kernel, stride=stride, padding=(kernel - 1) // 2
    )
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def linear(inputs: int, outputs: int, generator: torch.Generator | None = None) -> nn.Linear:
    """A linear layer whose first weights come from `generator`, from torch's global one if None."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.normal_(layer.weight, std=inputs**-0.5, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
