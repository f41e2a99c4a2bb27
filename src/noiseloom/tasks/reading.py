"""What a language model expects next of texts that grow, and what of them it still reads.

A text that outgrows the model's context goes on from its newest tokens: at least half of the
context is kept, and read again. When that happens follows from the text's own length alone, so
that a text does not depend on which others are written beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from noiseloom.networks.language_model import LanguageModel
from noiseloom.networks.language_model_step import LanguageModelStep
from noiseloom.transformer.stepping import can_step


class Reading:
    """What a model expects next in each of a batch of texts, as they grow.

    They stand side by side with their ends together; padding on the left is never seen. `opening`
    is read where a text holds nothing yet, and by nothing that follows it.
    """

    def __init__(
        self, model: LanguageModel, texts: Sequence[Sequence[int]], *, opening: int | None
    ) -> None:
        self.model = model
        self.texts = [list(text) for text in texts]
        self.opening = opening
        self.device = next(model.parameters()).device
        self.cache = model.new_cache()
        self.is_real: Tensor | None = None  # (B, context); None: all is
        self.step = LanguageModelStep(model) if can_step(model) else None

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Read all texts from their beginning: logits (B, V)."""
        self.cache = self.model.new_cache()
        lengths = np.array([len(text) for text in self.texts])
        longest = int(lengths.max())
        self.is_real = None
        if (lengths < longest).any():
            padding = torch.from_numpy(longest - lengths)[:, None]
            self.is_real = (torch.arange(self.model.context) >= padding).to(self.device)
        if not longest:
            return self._first().expand(len(self.texts), -1)
        rows = [[0] * (longest - len(text)) + text for text in self.texts]
        logits = self._forward(torch.tensor(rows, device=self.device))
        if lengths.all():
            return logits
        is_empty = torch.from_numpy(lengths == 0).to(self.device)
        return torch.where(is_empty[:, None], self._first(), logits)

    def go_on(self, chosen: Sequence[int], written: int) -> Tensor:
        """Read one token more of each text, the `written`-th of its writing: logits (B, V)."""
        context, is_full = self.model.context, self.cache.length == self.model.context
        for text, token in zip(self.texts, chosen, strict=True):
            text.append(token)
            if len(text) > context:
                del text[: len(text) - kept(context, written)]
                is_full = True
        if is_full:
            return self.begin()
        with torch.inference_mode():
            if self.step is not None and self.cache.length:
                return self.step(chosen, self.cache, self._seen(1))
            return self._forward(torch.tensor(chosen, device=self.device)[:, None])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these of the texts, one of which may come again."""
        if list(rows) == list(range(len(self.texts))):
            return
        self.texts = [list(self.texts[row]) for row in rows]
        chosen = torch.tensor(rows, device=self.device)
        self.cache.select(chosen)
        if self.is_real is not None:
            self.is_real = self.is_real.index_select(0, chosen)

    def _first(self) -> Tensor:
        """What a text begins with, (1, V)."""
        opening = torch.tensor([[self.opening]], device=self.device)
        logits: Tensor = self.model(opening)
        return logits[:, -1].float()

    def _forward(self, tokens_BL: Tensor) -> Tensor:
        is_real = self._seen(tokens_BL.shape[1])
        logits: Tensor = self.model(tokens_BL, is_real=is_real, cache=self.cache)
        return logits[:, -1].float()

    def _seen(self, new: int) -> Tensor | None:
        """Which of all tokens, `new` ones among them, are real."""
        return None if self.is_real is None else self.is_real[:, : self.cache.length + new]


def kept(context: int, written: int) -> int:
    """How many tokens stay of a text that has outgrown the context with its `written`-th.

    So many that it next outgrows it at a multiple of half the context: texts of one batch that
    began with different lengths are then full, and read again, together.
    """
    half = max(1, context // 2)
    return context + 1 - (half - written % half)
