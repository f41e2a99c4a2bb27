"""Noise and what a teacher makes of it: made once, kept in a run's folder as safetensors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from noiseloom.media import aside
from noiseloom.seeds import Random
from noiseloom.tasks import OnProgress, Request
from noiseloom.tasks.unconditional_image_generation import ImageGeneration

FILE = "pairs.safetensors"
TOGETHER = 250  # pairs that are made at once


@dataclass(frozen=True)
class Pairs:
    """`noise` and `x0` (N, …), float32 on the CPU, and the labels (N,) where there are classes."""

    noise: Tensor
    x0: Tensor
    labels: Tensor | None

    @classmethod
    def prepared(
        cls,
        folder: Path,
        teacher: ImageGeneration,
        num: int,
        guidance: float | None,
        on_progress: OnProgress,
    ) -> Self:
        """The pairs kept in `folder`; where there are none, `num` that `teacher` makes now.

        It draws them as its recipe says but for the `guidance`, every class equally often.
        Raises MachineError where they cannot be written.
        """
        path = folder / FILE
        if path.is_file():
            try:
                kept = load_file(path)
                return cls(kept["noise"], kept["x0"], kept.get("labels"))
            except SafetensorError:
                pass  # torn; the teacher makes the same again
        made = cls._made(teacher, num, guidance, on_progress)
        tensors = {"noise": made.noise, "x0": made.x0}
        if made.labels is not None:
            tensors["labels"] = made.labels
        with aside(path) as temporary:
            save_file(tensors, temporary)
        return made

    @classmethod
    def _made(
        cls, teacher: ImageGeneration, num: int, guidance: float | None, on_progress: OnProgress
    ) -> Self:
        labels = None
        if teacher.form.class_names:
            labels = torch.arange(num) % len(teacher.form.class_names)
        noise, x0 = [], []
        for first in range(0, num, TOGETHER):
            on_progress("Making pairs", first, num)
            items = range(first, min(num, first + TOGETHER))
            random = Random(0, items).under("pairs")
            part = None if labels is None else labels[items.start : items.stop]
            walk = teacher.walk(Request(labels=part, guidance=guidance))
            start = teacher.start(random)
            *_, last = walk.sampler(walk.denoise, start, walk.plan, walk.schedule, random)
            noise.append(start.cpu())
            x0.append(last.x0.cpu())
        on_progress("Making pairs", num, num)
        return cls(torch.cat(noise), torch.cat(x0), labels)

    def choose(self, random: Random, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        """Noise, x0 and labels of a pair for each of `random`'s items."""
        chosen = (random.uniform("pair").double() * len(self.x0)).long()
        labels = None if self.labels is None else self.labels[chosen].to(device)
        return self.noise[chosen].to(device), self.x0[chosen].to(device), labels
