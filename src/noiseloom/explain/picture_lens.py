"""What each block of a denoiser has come to: the clean picture that the final head reads in it.

Shapes: T times, S stages (before the first block, and after each), N items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noiseloom.diffusion.likelihood import Judged
from noiseloom.diffusion.process import add_noise
from noiseloom.explain.depth_lens import at_each_stage
from noiseloom.explain.interventions import Layer
from noiseloom.seeds import Random


@dataclass(frozen=True)
class Stages:
    """`xt` (T, N, ...), and `x0` (T, S, N, ...) as expected at each stage, as the model sees them.

    `to_end` and `to_truth` (T, S) are mean squares of x0 less the answer's and less the truth, as
    shares of the data's variance.
    """

    xt: Tensor
    x0: Tensor
    to_end: np.ndarray
    to_truth: np.ndarray


def stages_of(
    judged: Judged, layers: Sequence[Layer], x0: Tensor, times: Sequence[float], *, seed: int
) -> Stages:
    """Noise is put on `x0` (N, ...), the same at every t (held within the schedule's range)."""
    noise = Random(seed, range(len(x0))).normal_like("noise", x0)
    schedule = judged.schedule
    seen, expected = [], []
    for time in times:
        t = torch.full((len(x0),), min(max(time, schedule.t_min), schedule.t_max)).to(x0)
        xt = add_noise(schedule, x0, noise, t)
        seen.append(xt)
        expected.append(at_each_stage(layers, _asked(judged, xt, t)))
    found, share = torch.stack(expected), judged.statistics.std**2

    def distance(to: Tensor) -> np.ndarray:
        squares = (found - to).square().flatten(2).mean(dim=2) / share
        numbers: np.ndarray = squares.cpu().numpy()
        return numbers

    return Stages(torch.stack(seen), found, distance(found[:, -1:]), distance(x0))


def _asked(judged: Judged, xt: Tensor, t: Tensor) -> Callable[[], Tensor]:
    return lambda: judged.denoise(xt, t).x0
