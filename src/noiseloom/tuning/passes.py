"""What sampling costs: how often an item passes through a network, whatever a call is made of.

A sampler's call asks the denoiser once. Where labels are followed an item passes through the
network twice in it, and a guide of its own is a network, too: passes are what time is made of.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from noiseloom.tasks import Draws


class Passes:
    """Within it the items are counted that pass through the model of `task`, and its guide's."""

    def __init__(self, task: Draws) -> None:
        guide = getattr(task, "guide", None)
        self.models = [task.model, *([guide] if isinstance(guide, nn.Module) else [])]
        self.items = 0

    def __enter__(self) -> Passes:
        self.hooks = [model.register_forward_pre_hook(self._count) for model in self.models]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _count(self, model: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.items += len(inputs[0])
