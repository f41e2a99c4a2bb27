"""What the layers of a network leave, watched from outside while it answers.

A network's layers lie in a ModuleList `blocks` by convention; those of one that reads images by
convolutions in `convolutions`. A hook on each is there while one looks, and gone after it whatever
happens: the network is not changed, and answers as it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

PLACES = ("blocks", "network.blocks", "network.encoder.convolutions")


def layers_of(model: nn.Module) -> nn.ModuleList | None:
    """The layers of a task's model, in their order; None where they do not lie in a list."""
    for place in PLACES:
        try:
            found = model.get_submodule(place)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList) and len(found):
            return found
    return None


@contextmanager
def watched(layers: Sequence[nn.Module] | nn.ModuleList) -> Iterator[list[Tensor]]:
    """A list that every call of a layer adds what it leaves to; the next answer adds more."""
    left: list[Tensor] = []

    def keep(layer: nn.Module, given: object, leaves: Tensor) -> None:
        left.append(leaves.detach())

    with hooked([layer.register_forward_hook(keep) for layer in layers]):
        yield left


@contextmanager
def hooked(hooks: Sequence[RemovableHandle]) -> Iterator[None]:
    """Within it these hooks are there, and after it gone."""
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
