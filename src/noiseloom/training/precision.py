"""Which arithmetic a run uses, settled once from what the processor can do."""

import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]

WORTH_IT = 1.3  # bfloat16 must be this many times faster, since autocast itself costs time


def settle(wanted: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """The precision to train in: as wanted, or for `auto` the faster by a short measurement."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if _bfloat16_pays() else "float32"


@cache
def _bfloat16_pays() -> bool:
    """Whether it does on this CPU: measured once, so that all runs of a process agree."""
    return matmul_seconds(torch.float32) / matmul_seconds(torch.bfloat16) > WORTH_IT


def matmul_seconds(dtype: torch.dtype, size: int = 256, repeats: int = 5) -> float:
    """Seconds of one size x size matrix product on the CPU, the best of a few."""
    matrix = torch.ones(size, size, dtype=dtype)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - start)
    return min(times)


def autocast(
    precision: Literal["float32", "bfloat16"], device: torch.device
) -> AbstractContextManager[object]:
    """The context in which the network is called."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
