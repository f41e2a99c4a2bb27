"""What Noiseloom is compared with: one file a library, which is imported nowhere else.

A contestant says what is trained, with which optimiser and plans, and how samples are drawn. The
loop round it is the same for all (`training.py`), and as lean as can be. Images are float32
(B, 1, 28, 28) in [0, 1] wherever they enter or leave; range and padding are the contestant's own.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor, nn

CLASSES, SIDE = 10, 28
RATES = (5e-4, 1e-3, 2e-3)
"""The learning rates of which the best counts."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A network and its diffusion, as its library's own examples train and sample it.

    `samplers` says how many network calls an image costs. `rate_plan(steps)` and
    `average_plan(steps)` have one number a step: the learning rate over `rates`' entry, and how far
    the average of the weights moves towards them.
    """

    package: str
    network: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    sample: Callable[[nn.Module, Tensor, str], Tensor]
    samplers: Mapping[str, int]
    optimizer: Callable[[Iterable[Tensor], Tensor], torch.optim.Optimizer]
    rates: tuple[float, ...] = RATES
    rate_plan: Callable[[int], Tensor]
    average_plan: Callable[[int], Tensor]
    batch_size: int = 64
    only_float32: bool = False
    weights: tuple[str, ...] = ("average",)


_HOMES = {
    "diffusers-small": ("peers.with_diffusers", "small"),
    "control": ("peers.control", "control"),
    "lucidrains": ("peers.with_lucidrains", "as_shipped"),
    "lucidrains-tuned": ("peers.with_lucidrains", "tuned"),
    "diffusers-example": ("peers.with_diffusers", "example"),
}
NAMES = tuple(_HOMES)
"""The contestants, in the order in which they are trained."""


def contestant(name: str) -> Contestant:
    """The contestant of that name; ImportError where its library is not installed."""
    module, function = _HOMES[name]
    made: Contestant = getattr(import_module(module), function)()
    return made


# Plans -------------------------------------------------------------------------------------------


def warm_down(steps: int) -> Tensor:
    """Up over 4 % of the steps, then down to 0 in a straight line."""
    step, warm = torch.arange(steps), max(1, round(0.04 * steps))
    return torch.minimum((step + 1) / warm, (steps - step) / max(1, steps - warm)).clamp(max=1)


def cosine(steps: int, warm: int = 500) -> Tensor:
    """diffusers' `cosine`: up over `warm` steps, then half a cosine down to 0."""
    step = torch.arange(steps)
    progress = (step - warm) / max(1, steps - warm)
    return torch.where(step < warm, step / warm, 0.5 * (1 + (math.pi * progress).cos()))


def power_average(steps: int) -> Tensor:
    """diffusers' `EMAModel` with inv_gamma 1, power 3/4, at most 0.9999."""
    return (torch.arange(steps) + 1.0).pow(-0.75).clamp(min=1e-4)
