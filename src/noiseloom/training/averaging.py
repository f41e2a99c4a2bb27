"""Averages of the weights over training: the power-function EMA of Karras et al. 2023.

(arXiv:2312.02696, section 3.1.) Its memory is a share of the run so far, not a number of steps, so
the weights of the start are forgotten whatever the length: at step n the decay is (1 - 1/n)^(gamma
+ 1).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from noiseloom.training.parts import fill, local


def gamma_of(length: float) -> float:
    """The exponent for an average whose width is `length` times the run (eq. 126).

    `length` is the standard deviation of the averaging profile over the run's length, in (0, 0.28].
    """
    if not 0 < length <= 0.28:
        raise ValueError(f"the average's width is {length}; allowed is above 0, up to 0.28")
    low, high = 0.0, 1e8  # the width falls as the exponent grows
    for _ in range(200):
        middle = 0.5 * (low + high)
        width = (middle + 1) ** 0.5 / ((middle + 2) * (middle + 3) ** 0.5)
        low, high = (middle, high) if width > length else (low, middle)
    return low


class Average:
    """The running average of a model's floating-point state, buffers included.

    It is shared out among processes where the model is: `values` are then DTensors as the weights.
    """

    def __init__(self, model: nn.Module, length: float) -> None:
        self.gamma = gamma_of(length)
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after `step` updates (the first is 1)."""
        weight = 1 - (1 - 1 / step) ** (self.gamma + 1)
        state = model.state_dict()
        pairs = [(local(mean), local(state[name])) for name, mean in self.values.items()]
        floats = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        torch._foreach_lerp_([m for m, _ in floats], [v for _, v in floats], weight)
        for mean, value in pairs:
            if not mean.is_floating_point():
                mean.copy_(value)

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Within it `model` holds the averaged weights; afterwards its own again."""
        own = {name: local(value).clone() for name, value in model.state_dict().items()}
        _put(self.values, model)
        try:
            yield
        finally:
            _put(own, model)

    def load(self, values: Iterable[tuple[str, Tensor]]) -> None:
        """Take over the averaged values of a checkpoint, named and whole."""
        fill(self.values, values)


def _put(values: dict[str, Tensor], model: nn.Module) -> None:
    """Copy what this process holds of `values` into what it holds of the model."""
    for name, value in model.state_dict().items():
        local(value).copy_(local(values[name]))
