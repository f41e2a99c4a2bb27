"""What every denoising network knows besides its input: noise level and label, as one vector."""

import torch
from torch import Tensor, nn

from noiseloom.transformer.positions import frequencies, waves

LEVEL_WAVES = 32
SLOWEST, FASTEST = 0.5, 60.0  # radians per unit of noise level, which runs from about -1.7 to 1.7


class LevelAndLabel(nn.Module):
    """Embeds the noise level (any shape) and, where there are classes, a label per item.

    Label `num_classes` stands for "no label"; with `num_classes` = 0 the condition must be None.
    """

    frequencies: Tensor

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        table = frequencies(SLOWEST, FASTEST, LEVEL_WAVES)
        self.register_buffer("frequencies", table, persistent=False)
        self.level = nn.Sequential(
            nn.Linear(2 * LEVEL_WAVES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.label = nn.Embedding(num_classes + 1, width) if num_classes else None
        self.num_classes = num_classes

    def forward(self, level: Tensor, labels: Tensor | None) -> Tensor:
        """(*level, width); `level` is (B,) or (B, L), `labels` (B,) or None."""
        embedded = self.level(waves(level, self.frequencies))
        if self.label is None:
            return embedded
        label = self.label(self.labels(labels, len(level)))
        return embedded + (label if level.ndim == 1 else label[:, None])

    def labels(self, labels: Tensor | None, items: int) -> Tensor:
        """`labels`, or "no label" for each of `items` where there are none."""
        if labels is not None:
            return labels
        return torch.full((items,), self.num_classes, device=self.frequencies.device)
