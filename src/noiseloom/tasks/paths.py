"""Paths of a teacher from noise to sample: walked once, kept in a run's folder as safetensors.

float16 keeps 11 bits, finer than the 8 of a picture; a path of MNIST's digits takes 8 kB.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from noiseloom.diffusion.samplers import SAMPLERS, plan_times
from noiseloom.seeds import Random
from noiseloom.tasks import OnProgress, Request
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.kept_tensors import kept_tensors

FILE = "paths.safetensors"
SAMPLER = "dpm++2m"  # follows the path itself, adding no noise, at a call a step
TOGETHER = 250  # paths that are walked at once
NEARLY = 0.01  # of the range of t: steps as short as this say nothing


@dataclass(frozen=True)
class Paths:
    """`points` (N, L, …) where they pass at `times` (L,), the first t_max; their ends x0 (N, …).

    Points and ends are float16, on the CPU; `labels` (N,) are there where there are classes.
    """

    times: Tensor
    points: Tensor
    x0: Tensor
    labels: Tensor | None

    @classmethod
    def prepared(
        cls,
        folder: Path,
        teacher: ImageGeneration,
        times: Tensor,
        *,
        num: int,
        steps: int,
        guidance: float | None,
        on_progress: OnProgress,
    ) -> Self:
        """The paths kept in `folder`; where there are none, `num` that `teacher` walks now.

        They have `steps` steps, shifted as its recipe says, and pass `times` (falling from t_max);
        every class comes equally often. Raises MachineError where they cannot be written.
        """

        def walk() -> dict[str, Tensor]:
            labels = None
            if teacher.form.class_names:
                labels = torch.arange(num) % len(teacher.form.class_names)
            points, ends = [], []
            for first in range(0, num, TOGETHER):
                on_progress("Walking the teacher's paths", first, num)
                items = range(first, min(num, first + TOGETHER))
                part = None if labels is None else labels[items.start : items.stop]
                request = Request(labels=part, guidance=guidance)
                random = Random(0, items).under("paths")
                *passed, end = _walk(teacher, request, times, steps, random)
                points.append(torch.stack(passed, dim=1).cpu().half())
                ends.append(end.cpu().half())
            on_progress("Walking the teacher's paths", num, num)
            walked = {"points": torch.cat(points), "x0": torch.cat(ends)}
            return walked if labels is None else {**walked, "labels": labels}

        kept = kept_tensors(folder / FILE, walk)
        return cls(times, kept["points"], kept["x0"], kept.get("labels"))

    def choose(self, random: Random, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        """Points (B, L, …), end and label of a path for each of `random`'s items, float32."""
        chosen = (random.uniform("path").double() * len(self.x0)).long()
        labels = None if self.labels is None else self.labels[chosen].to(device)
        return self.points[chosen].to(device).float(), self.x0[chosen].to(device).float(), labels


def _walk(
    teacher: ImageGeneration, request: Request, times: Tensor, steps: int, random: Random
) -> Iterator[Tensor]:
    """xt at each of `times`, then x0."""
    config = teacher.config
    own = plan_times(config.schedule, steps, shift=config.sampler.shift)
    plan, wanted = through(times.double(), own), set(times.tolist())
    x = teacher.start(random)
    yield x
    step = None
    for step in SAMPLERS[SAMPLER](teacher.walk(request).denoise, x, plan, config.schedule, random):
        if step.t in wanted:
            yield step.x
    assert step is not None  # every plan has a step
    yield step.x0


def through(times: Tensor, plan: Tensor) -> Tensor:
    """`plan` with `times` in it, in place of what nearly are the same."""
    closest = (plan[:, None] - times).abs().amin(dim=1)
    others = plan[closest > NEARLY * float(plan[0] - plan[-1])]
    return torch.cat([times, others]).sort(descending=True).values
