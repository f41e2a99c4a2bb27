"""Who computes the gradient of a model: this process alone, copies of it, or shares of it.

Copies (torch's DistributedDataParallel): every process holds the whole model, and all add up their
gradients. Shares (FSDP2, Zhao et al. 2023, arXiv:2304.11277, rewritten for torch 2): every process
holds a part of each weight, of its gradient and of what belongs to it; a block's weights are
gathered when it is about to compute, and let go of after. Either way a loss must call the model
itself, not its parts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from noiseloom.training.distributed import join, lost_peers, size
from noiseloom.training.parts import blocks_of, is_shared_out

Sharding = Literal["none", "full"]

Loss = Callable[..., Any]


class Engine(Protocol):
    """Calls a loss; after the last backward of a step all processes hold the same gradient.

    It is the mean over the processes of the gradients of their sums.
    """

    def __call__(self, *inputs: Any) -> Any:
        """The loss of this process's part of a micro-batch."""

    @contextmanager
    def gathering(self, *, last: bool) -> Iterator[None]:
        """Round the loss and the backward of a micro-batch; `last` is the last of a step."""


def place(model: nn.Module, device: torch.device, sharding: Sharding) -> None:
    """Move a model that was built on the processor to `device`, or this process's share of it.

    Shares are cut block by block (`blocks_of`, then the rest), so that a
    device never holds more than its share and one block. Methods that a network names in
    `called_beside_forward` gather the weights that they need, as forward does.
    """
    if sharding == "none" or size() == 1:
        model.to(device)
        return
    from torch.distributed.device_mesh import init_device_mesh  # slow to import
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    join()
    with lost_peers():
        mesh = init_device_mesh(device.type, (size(),))
        for block in blocks_of(model):
            fully_shard(block, mesh=mesh)
            if hasattr(block, "remember"):  # called beside forward, and gathers weights as that
                register_fsdp_forward_method(block, "remember")
        fully_shard(model, mesh=mesh)
        for name in getattr(model, "called_beside_forward", ()):
            register_fsdp_forward_method(model, name)


def engine_for(model: nn.Module, loss: Loss) -> Engine:
    """The engine of a model as it was placed."""
    if size() == 1:
        return Alone(loss)
    if any(map(is_shared_out, model.parameters())):
        return Shares(loss)
    return Copies(model, loss)


class Alone:
    """One process: nothing to gather."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, *inputs: Any) -> Any:
        return self.loss(*inputs)

    @contextmanager
    def gathering(self, *, last: bool) -> Iterator[None]:
        yield


class Copies:
    """Every process has the whole model; DDP adds gradients up during the last backward."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        join()
        with lost_peers():
            self.parallel = DistributedDataParallel(
                _Watched(model, loss), forward_sync_buffers=False, gradient_as_bucket_view=True
            )

    def __call__(self, *inputs: Any) -> Any:
        return self.parallel(*inputs)

    @contextmanager
    def gathering(self, *, last: bool) -> Iterator[None]:
        with lost_peers():
            if last:
                yield
            else:
                with self.parallel.no_sync():
                    yield


class _Watched(nn.Module):
    """A task's loss as a module, so that DDP can watch its gradients."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *inputs: Any) -> Any:
        return self.loss(*inputs)


class Shares(Alone):
    """Every process has a part of the model, whose own hooks gather weights and share gradients.

    Gradients are shared after every micro-batch: waiting for the last would keep each of them
    whole in every process, and several micro-batches are taken where memory is short.
    """

    @contextmanager
    def gathering(self, *, last: bool) -> Iterator[None]:
        with lost_peers():
            yield
