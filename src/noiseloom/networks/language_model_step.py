"""A language model for one more token of each text: see `transformer.stepping`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from noiseloom.networks.language_model import LanguageModel
from noiseloom.transformer.cache import Cache
from noiseloom.transformer.stepping import BlockStep, norm_map


class LanguageModelStep:
    """Answers as `model.forward` does to one token a text, some of which were read before.

    It looks at the model's weights as they are when it is called, if they stay where they are.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.blocks = [BlockStep(block) for block in model.blocks]  # type: ignore[arg-type]
        self.values = [_weight(values) for values in model.values]
        self.embed = _weight(model.embed)
        self.norm = norm_map(model.norm)
        written = (
            model.embed.weight[: model.vocabulary] if model.head is None else model.head.weight
        )
        self.head = written.detach().numpy().T
        by_place = model.waves if model.places is None else model.places.weight
        self.by_place = by_place.detach().numpy() if len(by_place) else None
        self.rotation = model.rotation.numpy()

    def __call__(self, tokens: Sequence[int], cache: Cache, is_real: Tensor | None) -> Tensor:
        """Logits (B, V) of what follows `tokens`, the newest of each text.

        `is_real` (B, K) as in `LanguageModel.forward`, over all tokens read, these among them.
        """
        place = cache.length
        if place >= self.model.context:
            raise ValueError(f"the context of {self.model.context:,} tokens is full")
        x_BW = self._enter(tokens, cache, is_real)
        rotation = None
        if self.rotation.shape[1]:
            rotation = self.rotation[0, place], self.rotation[1, place]
        hidden_BK = None
        if is_real is not None:
            hidden_BK = np.where(is_real.numpy(), np.float32(0), -np.float32(np.inf))
        first_value = len(self.blocks) - len(self.values)
        for index, (block, layer) in enumerate(zip(self.blocks, cache.layers, strict=True)):
            value = self.values[index - first_value][tokens] if index >= first_value else None
            x_BW = block(x_BW, layer, rotation=rotation, hidden_BK=hidden_BK, value_BW=value)
        cache.length = place + 1
        logits_BV = np.matmul(self.norm(x_BW), self.head)
        if (cap := self.model.config.softcap) is not None:
            logits_BV = cap * np.tanh(logits_BV / cap)
        return torch.from_numpy(logits_BV)

    def _enter(self, tokens: Sequence[int], cache: Cache, is_real: Tensor | None) -> np.ndarray:
        """Hidden numbers (B, W); what looks back at other tokens, torch does."""
        if self.model.looks_back or (self.by_place is not None and is_real is not None):
            row = torch.tensor(tokens)[:, None]
            entered = self.model.enter(row, cache.length, None, is_real, cache)
            return entered[:, 0].numpy()
        x_BW: np.ndarray = self.embed[tokens]
        if self.by_place is not None:
            x_BW = x_BW + self.by_place[cache.length]
        return x_BW


def _weight(table: torch.nn.Module) -> np.ndarray:
    assert isinstance(table, torch.nn.Embedding)
    weight: np.ndarray = table.weight.detach().numpy()
    return weight
