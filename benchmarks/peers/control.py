"""The control: the network of Noiseloom's recipe `mnist` in the loop of `with_diffusers.small`.

What it has over that one comes from the network; what Noiseloom has over it, from the rest:
preconditioning, target, times, optimiser, guidance, sampler.
"""

from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from noiseloom.runs import Recipe
from peers import CLASSES, SIDE, Contestant
from peers.with_diffusers import TRAINED, in_this_loop


def control() -> Contestant:
    """Raises InputError where the shipped recipe does not load."""
    return in_this_loop(partial(CalledAsUnet))


class Output(NamedTuple):
    """What diffusers' networks answer."""

    sample: Tensor


class CalledAsUnet(nn.Module):
    """Noiseloom's network called as UNet2DModel is: it is told a time step as a noise level."""

    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        recipe = Recipe.load("mnist", ["data.path=."])
        self.network = recipe.network.build((1, SIDE, SIDE), CLASSES)
        kept = TRAINED.alphas_cumprod.double()
        log_snr = (kept / (1 - kept)).log()
        self.register_buffer("levels", (-log_snr / 8).float(), persistent=False)

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor) -> Output:
        level = self.levels.index_select(0, timestep.expand(len(sample)))
        return Output(self.network(sample, level, class_labels))
