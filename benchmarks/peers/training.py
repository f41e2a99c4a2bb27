"""The one loop that trains every contestant, and the drawing of samples.

Whatever changes from step to step (items, learning rate, weight of the average) lies in a tensor
that the step reads, so that on a GPU a whole step can be captured once and replayed: the same
arithmetic without the thousand launches. The gradient's norm is held to 1, as both libraries'
trainers do.
"""

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from peers import CLASSES, Contestant

Precision = Literal["float32", "bfloat16"]
LARGEST_NORM = 1.0
WARM_UP = 3  # steps before a capture
LOOK_EVERY = 50  # steps between two looks at the clock


class Training:
    """A contestant being trained on `images` (N, 1, 28, 28), which lie on the device."""

    def __init__(
        self,
        contestant: Contestant,
        rate: float,
        images: Tensor,
        labels: Tensor,
        *,
        steps: int,
        seed: int,
        precision: Precision,
    ) -> None:
        device = images.device
        torch.manual_seed(seed)
        self.contestant, self.images, self.labels = contestant, images, labels
        self.steps, self.precision = steps, precision
        self.network = contestant.network().to(device).train()
        self.average = copy.deepcopy(self.network)
        self.rates = (rate * contestant.rate_plan(steps)).float().to(device)
        self.pulls = contestant.average_plan(steps).float().to(device)
        self.order = shuffled(len(images), contestant.batch_size, steps).to(device)
        self.step = torch.zeros(1, dtype=torch.long, device=device)
        self.last_loss = torch.zeros((), device=device)
        first_rate = torch.tensor(rate, device=device)
        self.optimizer = contestant.optimizer(self.network.parameters(), first_rate)
        self.means = [mean.detach() for mean in self.average.parameters()]
        self.values = [value.detach() for value in self.network.parameters()]

    def advance(self) -> None:
        """One step; nothing in it waits for the device."""
        items = self.order.index_select(0, self.step)[0]
        self.optimizer.param_groups[0]["lr"].copy_(self.rates.index_select(0, self.step)[0])
        self.optimizer.zero_grad(set_to_none=True)
        images, labels = self.images.index_select(0, items), self.labels.index_select(0, items)
        with autocast(self.precision):
            loss = self.contestant.loss(self.network, images, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_NORM)
        self.optimizer.step()
        self._average(self.pulls.index_select(0, self.step)[0])
        self.last_loss.copy_(loss.detach())
        self.step += 1

    def _average(self, pull: Tensor) -> None:
        torch._foreach_mul_(self.means, 1 - pull)
        torch._foreach_add_(self.means, torch._foreach_mul(self.values, pull))

    def run(self, *, until: float = float("inf"), capture: bool = False) -> int:
        """Train to the last step, or till the clock (`time.time`) says `until`; steps made.

        Raises RuntimeError where a step cannot be captured, ArithmeticError for a loss that is not
        finite.
        """
        advance = self._captured() if capture and self.steps > WARM_UP else self.advance
        made = int(self.step)
        while made < self.steps and time.time() < until:
            made += (few := min(LOOK_EVERY, self.steps - made))
            for _ in range(few):
                advance()
            if int(self.step) != made:  # waits for the device
                raise RuntimeError(f"the captured step has run {int(self.step)} times, not {made}")
        if not self.last_loss.isfinite():
            raise ArithmeticError(f"the loss is {float(self.last_loss)} after {made} steps")
        return made

    def _captured(self) -> Callable[[], None]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.advance()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.advance()
        return graph.replay


def shuffled(items: int, batch_size: int, steps: int) -> Tensor:
    """(steps, batch_size) numbers of items: one permutation of all after the other."""
    rounds = -(-steps * batch_size // items)
    order = torch.cat([torch.randperm(items) for _ in range(rounds)])
    return order[: steps * batch_size].view(steps, batch_size)


def autocast(precision: Precision) -> AbstractContextManager[object]:
    """The context in which a network is called; bfloat16 is for the processor."""
    return torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()


@torch.no_grad()
def draw(
    contestant: Contestant,
    network: nn.Module,
    sampler: str,
    *,
    num: int,
    seed: int,
    device: torch.device,
    precision: Precision,
) -> np.ndarray:
    """`num` images uint8 (N, 28, 28, 1), their labels taking turns."""
    torch.manual_seed(seed)
    network.eval()
    parts = []
    for labels in take_turns(num).to(device).split(500 if device.type == "cuda" else 100):
        with autocast(precision):
            part = contestant.sample(network, labels, sampler)
        parts.append(part.float().clamp(0, 1).mul(255).round().byte().cpu())
    return torch.cat(parts).permute(0, 2, 3, 1).numpy()


def take_turns(num: int) -> Tensor:
    """Labels 0 … 9, 0 … for `num` samples."""
    return torch.arange(num) % CLASSES
