"""Changing what a network does while it is looked into, from outside: its weights stay as they are.

Each is a context: within it the network answers otherwise, after it as before. Transformer blocks
add to a state that is handed on (arXiv:1706.03762, section 3.1), so that a block which hands on
what it was given is one that was never there. Shapes: B batch, L tokens, W width, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Denoiser
from noiseloom.explain.states import hooked
from noiseloom.networks.space_time import ThroughTime
from noiseloom.tasks import Task
from noiseloom.transformer.attention import Attention, CrossAttention
from noiseloom.transformer.blocks import Block

Layer = list[nn.Module]
"""What belongs to one block of a network: itself and, in clips, its layer through time."""

Instead = Literal["nothing", "mean"]
"""What stands in the place of what a head says."""


@dataclass(frozen=True)
class Heads:
    """The attention heads that one layer has: what to call it, the layer, and how many."""

    name: str
    attention: Attention | CrossAttention
    count: int


def network_of(task: Task) -> nn.Module:
    """The network of a task, without its preconditioning."""
    model = task.model
    network: nn.Module = model.network if isinstance(model, Denoiser) else model
    return network


def blocks_of(network: nn.Module) -> list[Layer]:
    """The transformer blocks that a network's state goes through in order; none: it has others."""
    blocks = getattr(network, "blocks", None)
    if not isinstance(blocks, nn.ModuleList) or not all(isinstance(one, Block) for one in blocks):
        return []
    layers: list[Layer] = [[block] for block in blocks]
    through_time = getattr(getattr(network, "space_time", None), "blocks", None)
    for layer, after in zip(layers, through_time or [], strict=False):
        assert isinstance(after, ThroughTime)
        layer.append(after)
    return layers


def heads_of(network: nn.Module) -> list[Heads]:
    """All attention heads of a network, layer by layer."""
    found = {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, Attention | CrossAttention)
    }
    names = [_called(path) for path in found]
    return [
        Heads(name if names.count(name) == 1 else path, module, module.heads)
        for name, (path, module) in zip(names, found.items(), strict=True)
    ]


@contextmanager
def skipped(layers: Sequence[Layer]) -> Iterator[None]:
    """Within it these layers hand on the state that they are given."""

    def hand_on(module: nn.Module, given: tuple[Tensor, ...], said: Tensor) -> Tensor:
        return given[0]

    with hooked([module.register_forward_hook(hand_on) for layer in layers for module in layer]):
        yield


@contextmanager
def exchanged(layer: Layer, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it the state (B, L, W) after a layer is what `change` makes of it."""

    def exchange(module: nn.Module, given: tuple[Tensor, ...], said: Tensor) -> Tensor:
        return change(said)

    with hooked([layer[-1].register_forward_hook(exchange)]):
        yield


@contextmanager
def switched_off(
    attention: Attention | CrossAttention, heads: Sequence[int], instead: Instead = "nothing"
) -> Iterator[None]:
    """Within it these heads say nothing or, always and everywhere, their mean of this batch.

    The mean is over the batch and its tokens, padding among them.
    """

    def silence(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
        mixed_BLHD = given[0].unflatten(-1, (attention.heads, attention.size)).clone()
        said = mixed_BLHD[..., list(heads), :]
        silent = torch.zeros_like(said)
        if instead == "mean":
            silent = said.mean(dim=(0, 1), keepdim=True).expand_as(said)
        mixed_BLHD[..., list(heads), :] = silent
        return (mixed_BLHD.flatten(-2),)

    with hooked([attention.out.register_forward_pre_hook(silence)]):
        yield


def _called(path: str) -> str:
    """`space_time.blocks.1.attention` as people say it: `block 2 through time`."""
    parts = path.split(".")
    number = next((int(part) + 1 for part in parts if part.isdecimal()), None)
    words = f"block {number}" if number is not None else path
    if parts[0] == "space_time":
        return f"{words} through time"
    if parts[-1] == "cross_attention":
        words += " across"
    return words if parts[0] == "blocks" else f"{parts[0]} {words}"
