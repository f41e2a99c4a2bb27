"""Words of one prompt swapped into the drawing of another, while the prompt stays as it is.

What a network that draws looks at is a `Memory` of the prompt, keys and values of each word, for
each of its blocks, and one `summary` of the prompt that modulates all of them. A swap takes some of
these from the reading of another prompt, during some of the steps. Weights, noise and prompt stay
(activation patching, Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262).
Shapes: N pictures, L tokens of a prompt, M = L + 1 of its memory, the start first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Denoiser
from noiseloom.explain.states import hooked
from noiseloom.networks.caption_reader import Kept, Reading
from noiseloom.networks.dit import DiT
from noiseloom.seeds import Random
from noiseloom.tasks import Prompted, Request, Task
from noiseloom.transformer.attention import Memory


@dataclass(frozen=True, eq=False)
class Swap:
    """What is taken from other prompts: tokens (N, L), for those that are drawn, (N, L).

    `places` (N, L) says which words' keys and values are; `with_start` whether those of the start
    are, too, which knows all of the prompt, and `with_summary` the summary. `blocks` (None: all)
    and `until` < t <= `since` say where and when.
    """

    drawn: Tensor
    other: Tensor
    places: Tensor
    blocks: Collection[int] | None = None
    since: float = 1.0
    until: float = -1.0
    with_start: bool = False
    with_summary: bool = False

    def is_on(self, t: float) -> bool:
        """Whether it is swapped at t, which is a float32 that networks are given."""
        return bool(np.float32(self.until) < np.float32(t) <= np.float32(self.since))


def reads_words(task: Task) -> TypeGuard[Prompted]:
    """Whether a task draws by prompts of which each word has a place in what its network keeps."""
    return (
        isinstance(task, Prompted)
        and task.prompts is not None
        and task.prompts.model is None
        and isinstance(task.model, Denoiser)
        and isinstance(task.model.network, DiT)
        and task.model.network.reader is not None
    )


@contextmanager
def swapped_words(model: Denoiser, swap: Swap) -> Iterator[None]:
    """Within it a denoiser that is asked by `swap.drawn` reads what the swap says.

    Items come first in what it is asked, in their order; what follows them (no prompt, of guidance)
    stays as it is. Raises ValueError where it is asked something else.
    """
    network = model.network
    assert isinstance(network, DiT)  # see `reads_words`
    known: dict[int, Reading] = {}

    def exchange(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        xt, t, condition, *rest = given
        if not swap.is_on(float(t.flatten()[0])):
            return given
        asked, items = condition.labels, len(swap.drawn)
        if not asked[:items].equal(swap.drawn.to(asked)):
            raise ValueError("the denoiser is not asked by the prompts that words are swapped in")
        if len(asked) not in known:
            known[len(asked)] = _mixed(network, asked, swap)
        kept = Kept(known[len(asked)])
        return xt, t, replace(condition, kept=kept), *rest

    with hooked([model.register_forward_pre_hook(exchange)]):
        yield


def draw_swapped(
    task: Prompted, swap: Swap | None, tokens: Tensor, *, seed: int, request: Request
) -> np.ndarray:
    """Samples asked for by `tokens` (N, L) as they are stored, with words swapped, if any.

    Each has the noise of its number and `seed`, whatever is swapped.
    """
    walk = task.sample(replace(request, labels=tokens), Random(seed, range(len(tokens))))
    assert isinstance(task.model, Denoiser)  # see `reads_words`
    with nullcontext() if swap is None else swapped_words(task.model, swap):
        (last,) = deque(walk, maxlen=1)
    return task.form.to_items(last.x0)


@torch.no_grad()
def _mixed(network: DiT, asked: Tensor, swap: Swap) -> Reading:
    """What the network reads in `asked`, with what the swap takes from the other prompts."""
    items = len(swap.other)
    other = torch.cat([swap.other.to(asked), asked[items:]])
    own, theirs = network.read(asked), network.read(other)
    length = own.memories[0].k.shape[2]
    taken = torch.zeros(len(asked), length, dtype=torch.bool, device=asked.device)
    taken[:items, 0] = swap.with_start
    taken[:items, 1:] = swap.places[:, : length - 1].to(asked.device)
    memories = [
        _taken(mine, its, taken) if swap.blocks is None or number in swap.blocks else mine
        for number, (mine, its) in enumerate(zip(own.memories, theirs.memories, strict=True))
    ]
    return Reading(memories, theirs.summary if swap.with_summary else own.summary)


def _taken(own: Memory, theirs: Memory, taken_BM: Tensor) -> Memory:
    """The memory with the keys and values of these places from the other."""
    rows = taken_BM[:, None, :, None]
    return Memory(
        torch.where(rows, theirs.k, own.k), torch.where(rows, theirs.v, own.v), own.is_real
    )
