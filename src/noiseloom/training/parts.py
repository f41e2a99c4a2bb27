"""Tensors that several processes share out among them, and plain ones, treated alike.

A shared-out tensor is torch's DTensor, cut along its rows: each process holds some of them. It is
told by its `to_local`, since importing torch.distributed.tensor costs a second that a run without
such tensors need not spend.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from noiseloom.training.distributed import is_first, lost_peers


def blocks_of(model: nn.Module) -> Iterator[nn.Module]:
    """The blocks of a model, where it has any: the children of each ModuleList called `blocks`."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] == "blocks" and isinstance(module, nn.ModuleList):
            yield from module


def is_shared_out(tensor: Tensor) -> bool:
    """Whether each process holds a part of `tensor` only."""
    return hasattr(tensor, "to_local")


@torch.no_grad()
def local(tensor: Tensor) -> Tensor:
    """What this process holds of `tensor`, in the same memory: its part, or all."""
    shared: Any = tensor
    return shared.to_local() if is_shared_out(tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of `tensor`, in every process; all take part."""
    shared: Any = tensor
    with lost_peers():
        return shared.full_tensor() if is_shared_out(tensor) else tensor


def part(value: Tensor, like: Tensor) -> Tensor:
    """A copy of `value` on the device of `like`, shared out as `like` is where the shapes agree.

    Every process gives the whole `value`; nothing is sent.
    """
    if not is_shared_out(like) or value.shape != like.shape:
        return value.to(like.device, copy=True)
    from torch.distributed.tensor import distribute_tensor

    shared: Any = like
    return distribute_tensor(
        value.to(like.device), shared.device_mesh, shared.placements, src_data_rank=None
    ).clone()  # not a view, which would keep the whole


def gather(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whole, one after the other, in the memory of the first process's host.

    The others, which take part, get {}. Plain tensors stay as they are in every process.
    """
    if not any(map(is_shared_out, tensors.values())):
        return tensors
    gathered = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if is_first():
            gathered[name] = full.cpu()
    return gathered


@torch.no_grad()
def fill(state: dict[str, Tensor], values: Iterable[tuple[str, Tensor]]) -> None:
    """Copy named whole values into a state, of which every process takes the part it holds.

    Raises ValueError where the names or the shapes are not the state's.
    """
    left = set(state)
    for name, value in values:
        if name not in state or state[name].shape != value.shape:
            raise ValueError(
                f"{name} of shape {tuple(value.shape)} is given; the model has "
                + (f"it with {tuple(state[name].shape)}" if name in state else "no such tensor")
            )
        local(state[name]).copy_(local(part(value, state[name])))
        left.discard(name)
    if left:
        raise ValueError(f"{', '.join(sorted(left))} of the model are not given")


def total_norm(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all tensors together, each of them whole."""
    return whole(torch.nn.utils.get_total_norm(tensors)).item()
