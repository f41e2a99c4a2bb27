"""Several processes that train one model together, as `torchrun` starts them.

Each of them, a rank, takes an equal part of the global batch; which items, noise and times that is
does not depend on their number. What one process must do for all (making folders, writing files)
the first does, and shares the result or the error, so that all go on or all end.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from noiseloom.errors import MachineError

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)  # how long the others wait for the first, who may prepare data
GRACE = timedelta(seconds=10)  # how long one that fails waits for the others to fail as well


def rank() -> int:
    """The place of this process among those that train together, from 0; 0 when alone."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """How many processes train together; 1 when alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def local_gpu() -> torch.device:
    """The GPU of this process: of those of the machine the one with its local rank."""
    if size() == 1:
        return torch.device("cuda")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def attempt() -> int:
    """How often torchrun has started these processes again after a failure."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def join() -> None:
    """Meet the other processes, once: gloo carries objects and the processor's tensors, nccl a
    GPU's."""
    if dist.is_initialized():
        return
    meeting = next(_meetings)
    with lost_peers():
        store, place, number = next(dist.rendezvous("env://"))
        # torchrun keeps its store when it starts dead processes again, and what they left there
        store = dist.PrefixStore(f"noiseloom/{attempt()}/{meeting}", store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(
            backend, store=store, rank=place, world_size=number, timeout=PATIENCE
        )


_meetings = itertools.count()  # every process meets the others equally often


@contextmanager
def parting() -> Iterator[None]:
    """After it, however it ended, each process is on its own: the first may go on for long.

    Without it the interpreter's end tears the connection down, and now and then aborts.
    """
    try:
        yield
    except KeyboardInterrupt:
        part()
        raise
    except BaseException:
        leave()
        raise
    part()


def part() -> None:
    """Wait for the others, then let go of them."""
    if dist.is_initialized():
        with lost_peers():
            dist.barrier()
        dist.destroy_process_group()


def leave() -> None:
    """Let go of the others after an error, which they may or may not have met as well."""
    if dist.is_initialized():
        with suppress(RuntimeError):  # who is lost already cannot be waited for
            dist.monitored_barrier(timeout=GRACE)
        dist.destroy_process_group()


def from_first(action: Callable[[], T]) -> T:
    """What `action` answers in the first process, in all; what it raises there, all raise."""
    if size() == 1:
        return action()
    join()
    shared: list[Any] = [None, None]
    error: BaseException | None = None
    if is_first():
        try:
            shared[0] = action()
        except Exception as problem:
            error = problem
            shared[1] = problem
    with lost_peers():
        dist.broadcast_object_list(shared, src=0)
    if error is not None:
        raise error
    if shared[1] is not None:
        shared[1].said_by_first = True  # once is enough
        raise shared[1]
    return shared[0]


def first_then_rest(action: Callable[[], T]) -> T:
    """`action` in every process, in the first before the others: what it leaves is reused."""
    if size() == 1:
        return action()
    answers: list[T] = []
    from_first(lambda: answers.append(action()))
    return answers[0] if is_first() else action()


def gathered(value: T) -> list[T]:
    """What each process gave, in the order of their ranks."""
    if size() == 1:
        return [value]
    join()
    values: list[Any] = [None] * size()
    with lost_peers():
        dist.all_gather_object(values, value)
    return values


def summed(*numbers: float) -> list[float]:
    """Each number added up over the processes, in float64."""
    if size() == 1:
        return list(numbers)
    join()
    together = torch.tensor(numbers, dtype=torch.float64)
    with lost_peers():
        dist.all_reduce(together)
    return together.tolist()


def handed_out(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The first process's named tensors, in all, one at a time; the others give anything.

    A process that keeps a part of each never holds them all. They arrive in the host's memory.
    """
    if size() == 1:
        yield from tensors.items()
        return
    described = [(name, value.shape, value.dtype) for name, value in tensors.items()]
    for name, shape, dtype in from_first(lambda: described):
        value = tensors[name].cpu().contiguous() if is_first() else torch.empty(shape, dtype=dtype)
        with lost_peers():
            dist.broadcast(value, src=0)
        yield name, value


@contextmanager
def lost_peers() -> Iterator[None]:
    """Say in one sentence that another process has gone."""
    try:
        yield
    except RuntimeError as error:
        if size() == 1 or not _is_of_the_network(error):
            raise
        raise MachineError(
            f"Process {rank()} of {size()} has lost another one, which may have been killed or run "
            "out of memory: its own output is above. Go on from the last checkpoint with "
            "noiseloom resume, under the same torchrun"
        ) from error


def _is_of_the_network(error: RuntimeError) -> bool:
    if isinstance(error, MachineError):  # it has been said
        return False
    words = ("gloo", "nccl", "connection", "timed out", "timeout", "peer")
    return isinstance(error, dist.DistError) or any(w in str(error).lower() for w in words)
