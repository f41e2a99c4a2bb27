"""What every denoising network knows besides its input, as one vector.

That is the noise level, the label where there are classes, and how the item was augmented where
training does so.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from noiseloom.networks.caption_reader import Kept
from noiseloom.transformer.positions import frequencies, waves

LEVEL_WAVES = 32
SLOWEST, FASTEST = 0.5, 60.0  # radians per unit of noise level, which runs from about -1.7 to 1.7


@dataclass(frozen=True)
class Condition:
    """What a network is told of its items besides their noise level; None: nothing.

    `labels` (B,), or captions (B, L) of networks that read these; `told` (B, K), how each was
    augmented, 0 where it was not. Where captions are asked for again and again, as by a sampler,
    `kept` is the place in which the network keeps what it has read of them.
    """

    labels: Tensor | None = None
    told: Tensor | None = None
    kept: Kept | None = None


class LevelAndLabel(nn.Module):
    """Embeds the noise level (any shape) and what else a network may be told of an item.

    With `tells_level` false the level is not among it: the network must see it in its input.
    Where there are classes that is a label, of which `num_classes` stands for "no label"; with
    `num_classes` = 0 labels must be None. And `told` numbers on how the item was augmented, read
    by a linear map that starts at 0: to be told nothing is to be told of no change.
    """

    frequencies: Tensor

    def __init__(
        self, width: int, num_classes: int, told: int = 0, *, tells_level: bool = True
    ) -> None:
        super().__init__()
        table = frequencies(SLOWEST, FASTEST, LEVEL_WAVES)
        self.register_buffer("frequencies", table, persistent=False)
        self.width = width
        self.level: nn.Sequential | None = None
        if tells_level:
            self.level = nn.Sequential(
                nn.Linear(2 * LEVEL_WAVES, width), nn.SiLU(), nn.Linear(width, width)
            )
        self.label = nn.Embedding(num_classes + 1, width) if num_classes else None
        self.told = nn.Parameter(torch.zeros(told, width)) if told else None
        self.num_classes = num_classes

    def forward(self, level: Tensor, condition: Tensor | Condition | None) -> Tensor:
        """(*level, width); `level` is (B,) or (B, L), `condition` labels (B,) alone or with more.

        Raises ValueError where it is told of augmentation and was not built for that.
        """
        if self.level is None:
            embedded = level.new_zeros(*level.shape, self.width)
        else:
            embedded = self.level(waves(level, self.frequencies))
        if self.label is not None:
            label = self.label(self.labels(condition, len(level)))
            embedded = embedded + (label if level.ndim == 1 else label[:, None])
        if isinstance(condition, Condition) and condition.told is not None:
            if self.told is None:
                raise ValueError(
                    f"the network is told {condition.told.shape[1]} numbers on how items were "
                    "augmented and was built for none; build it with told="
                    f"{condition.told.shape[1]}"
                )
            told = condition.told @ self.told
            embedded = embedded + (told if level.ndim == 1 else told[:, None])
        return embedded

    def labels(self, condition: Tensor | Condition | None, items: int) -> Tensor:
        """The condition's labels, or "no label" for each of `items` where there are none."""
        labels = condition.labels if isinstance(condition, Condition) else condition
        if labels is not None:
            return labels
        return torch.full((items,), self.num_classes, device=self.frequencies.device)
