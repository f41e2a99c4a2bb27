"""What every denoising network knows besides its input: the time and the label, as one vector."""

from torch import Tensor, nn

from noiseloom.transformer.positions import sinusoidal

TIME_FREQUENCIES = 128
TIME_SCALE = 1000.0  # t in [0, 1] is spread over this many radians of the fastest wave


class TimeAndLabel(nn.Module):
    """Embeds t (any shape) and, where there are classes, a label per item; (*t, width).

    Label `num_classes` stands for "no label"; with `num_classes` = 0 the condition must be None.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.time = nn.Sequential(
            nn.Linear(TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.label = nn.Embedding(num_classes + 1, width) if num_classes else None
        if self.label is not None:
            nn.init.normal_(self.label.weight, std=0.02)

    def forward(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """`t` is (B,) or (B, L); `labels` (B,) or None."""
        features = sinusoidal(t * TIME_SCALE, TIME_FREQUENCIES)
        embedded = self.time(features)
        if self.label is None:
            return embedded
        if labels is None:
            labels = t.new_full((len(t),), self.label.num_embeddings - 1).long()
        label = self.label(labels)
        return embedded + (label if t.ndim == 1 else label[:, None])
