"""Samplers of a few network calls, for students that answer clean data at once (`distillation`).

They are called as those in `samplers` are, but solve no differential equation: what such a student
says at (xt, t) is a sample already, which further calls make better.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.samplers import Sampler, Step, ddim
from noiseloom.diffusion.schedules import Schedule
from noiseloom.seeds import Random


def renoise(
    denoise: Denoise, x: Tensor, plan: Tensor, schedule: Schedule, random: Random
) -> Iterator[Step]:
    """Answer, add fresh noise, answer again (Song et al. 2023, arXiv:2303.01469, algorithm 1)."""
    for index, (t, s) in enumerate(pairwise(plan)):
        with torch.no_grad():
            x0 = denoise(x, t.to(x).expand(len(x))).x0
        noise = random.at(index).normal_like("renoise", x0)
        x = add_noise(schedule, x0, noise, s.to(x))
        yield Step(index, float(s), x, x0)


FEW_STEP_SAMPLERS: dict[str, Sampler] = {"renoise": renoise, "ddim": ddim}
