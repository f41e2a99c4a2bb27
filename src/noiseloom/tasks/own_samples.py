"""Samples of a run, drawn once and kept in another's folder: what it learns to tell from real ones.

They are kept as items are stored, so that rounding does not tell the two apart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from noiseloom.seeds import Random
from noiseloom.tasks import OnProgress, Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.kept_tensors import kept_tensors

FILE = "own_samples.safetensors"
TOGETHER = 250  # samples that are drawn at once


@dataclass(frozen=True)
class OwnSamples:
    """`items` (N, …) as they are stored, with `labels` (N,) where there are classes."""

    items: Tensor
    labels: Tensor | None

    @classmethod
    def prepared(
        cls,
        folder: Path,
        base: ImageGeneration,
        *,
        num: int,
        steps: int | None,
        on_progress: OnProgress,
    ) -> Self:
        """Those kept in `folder`; where there are none, `num` that `base` draws now.

        In `steps` moves, None: as its recipe says; every class comes equally often. Raises
        MachineError where they cannot be written.
        """

        def draw() -> dict[str, Tensor]:
            labels = None
            if base.form.class_names:
                labels = torch.arange(num) % len(base.form.class_names)
            parts = []
            for first in range(0, num, TOGETHER):
                on_progress("Drawing the base's samples", first, num)
                items = range(first, min(num, first + TOGETHER))
                part = None if labels is None else labels[items.start : items.stop]
                request = Request(labels=part, steps=steps)
                *_, step = base.sample(request, Random(0, items).under("own-samples"))
                parts.append(torch.from_numpy(base.form.to_items(step.x0)))
            on_progress("Drawing the base's samples", num, num)
            drawn = {"items": torch.cat(parts)}
            return drawn if labels is None else {**drawn, "labels": labels}

        kept = kept_tensors(folder / FILE, draw)
        return cls(kept["items"], kept.get("labels"))

    def choose(self, random: Random) -> tuple[np.ndarray, np.ndarray | None]:
        """An item, and its label, for each of `random`'s."""
        chosen = (random.uniform("own-sample").double() * len(self.items)).long()
        labels = None if self.labels is None else self.labels[chosen].numpy()
        return self.items[chosen].numpy(), labels
