"""Evaluating what a model says behind masks: how often it is right, and how sure it is of that.

Some tokens of held-out windows are masked, chosen by chance, and the model is asked what they are.
Beside it what n-grams of both sides say of the same masks, and the most frequent token. What is
measured is no likelihood of a text: of tokens masked together each is asked for by itself.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.data.tokenizer import Tokenizer
from noiseloom.diffusion.discrete import hide_some
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate import both_sides, store
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.resampling import ratio_interval
from noiseloom.evaluate.windows import text_of
from noiseloom.networks import Answer
from noiseloom.tasks import Fills, Task
from noiseloom.tasks.holes import show

WINDOWS_AT_ONCE = 64
MOST_LEARNED = 8_000_000  # training tokens that the baselines learn from
EXAMPLES = 8
FREQUENT = "most frequent token"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How well a model says what stands behind masks."""

    answers: ClassVar[Answer] = "masks"

    windows: Annotated[int, Ge(1)] = option(256, "held-out windows, at even places, at most")
    share: float = option(0.15, "share of their tokens that is masked")
    ngram: Annotated[int, Ge(1)] = option(4, "tokens of the baseline's grams, at most")
    bootstrap: Annotated[int, Ge(20)] = option(1000, "resamples behind each interval")

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}; allowed is above 0 and below 1")

    def measure(
        self,
        dataset: Dataset,
        task: Task,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of `task`, which `Fills`, on windows of `dataset`.

        `protocol` says with which weights, and is returned with how they were measured. Raises
        InputError for a task that fills in nothing.
        """
        if not isinstance(task, Fills) or not isinstance(dataset, TextDataset):
            raise InputError(
                "evaluation fill-mask asks what stands behind masks, which this task does not say; "
                "use another evaluation"
            )
        masked = self._masked(dataset, seed)
        began = time.perf_counter()
        own = _behind(task, masked, progress)
        seconds = round(time.perf_counter() - began, 2)
        plain, frequent, how = self._baselines(dataset, masked, progress)
        figures = [
            self._figures(masked, log_p, seed) for log_p in (own, plain, frequent.expand_as(own))
        ]
        return beside(
            figures[0],
            {f"{how['order']}-gram of both sides": figures[1], FREQUENT: figures[2]},
            protocol={
                **protocol,
                "windows": len(masked.items),
                "masked": masked.count,
                "share": self.share,
                "bootstrap": self.bootstrap,
                "seconds_to_fill": seconds,
                "evaluation_seed": seed,
                "baseline": how,
                "data": dataset.fingerprint,
            },
            checks={"examples": masked.examples(own, dataset.text_form.tokenizer)},
        )

    def _masked(self, dataset: TextDataset, seed: int) -> Masked:
        held = dataset.reference.items
        number = min(self.windows, len(held))
        chosen = np.linspace(0, len(held) - 1, number).round().astype(int)
        items = held[chosen]
        each = max(1, round(self.share * items.shape[1]))
        random = seeds.Random(seed, range(number)).under("evaluate fill-mask")
        everywhere = torch.ones(items.shape, dtype=torch.bool)
        hidden = hide_some(everywhere, torch.full((number,), each), random)
        return Masked(items, hidden.numpy())

    def _figures(self, masked: Masked, log_p: Tensor, seed: int) -> Figures:
        """Figures of log-probabilities (hidden, V) of the hidden tokens."""
        truth = torch.from_numpy(masked.truth)
        nats = masked.by_window(-log_p.double().gather(1, truth[:, None])[:, 0].numpy())
        right = masked.by_window((log_p.argmax(dim=1) == truth).double().numpy())
        metrics, intervals = {}, {}
        for name, above in (("masked_accuracy", right), ("nats_per_masked_token", nats)):
            drawn = seeds.generator(seed, "evaluate fill-mask bootstrap")
            below = np.full(len(above), masked.count / len(above))
            metrics[name] = float(above.sum() / masked.count)
            intervals[name], _ = ratio_interval(above, below, self.bootstrap, drawn)
        return Figures(metrics, intervals)

    def _baselines(
        self, dataset: TextDataset, masked: Masked, progress: Progress
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """What n-grams of both sides say of the masks (hidden, V), and tokens' shares (V,). Kept.

        With how they learned.
        """
        vocabulary = dataset.text_form.tokenizer.vocabulary

        def make() -> dict[str, Tensor]:
            progress("learning n-grams of both sides", 0.0)
            tokens = text_of(dataset.train.items)[:MOST_LEARNED]
            model = both_sides.learn(tokens, vocabulary, self.ngram)
            progress("learning n-grams of both sides", 0.5)
            counts = np.bincount(tokens, minlength=vocabulary) + 1.0  # any token may come
            return {
                "log_p": torch.from_numpy(model.behind(masked.items, masked.is_hidden)),
                "frequent": torch.from_numpy(np.log(counts / counts.sum())),
                "order": torch.tensor(model.model.order),
                "tokens": torch.tensor(len(tokens)),
            }

        key = {"data": dataset.fingerprint, "most": self.ngram, "masks": masked.digest}
        kept = store.recall(dataset.cache, "both-sides", key, make)
        progress("learning n-grams of both sides", 1.0)
        order, learned = int(kept["order"]), int(kept["tokens"])
        words = (
            f"n-grams of up to {order} tokens (interpolated Kneser-Ney) learned from {learned:,} "
            "training tokens; every token is tried behind each mask, and weighs what they say of "
            f"it and of the {order - 1} tokens after it."
        )
        return kept["log_p"], kept["frequent"], {"order": order, "tokens": learned, "words": words}


@dataclass(frozen=True)
class Masked:
    """Windows (N, L) and which of their tokens are hidden, as many in each."""

    items: np.ndarray
    is_hidden: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """The hidden tokens, in order, int64."""
        return np.asarray(self.items[self.is_hidden], np.int64)

    @property
    def count(self) -> int:
        """How many are hidden in all."""
        return int(self.is_hidden.sum())

    @property
    def digest(self) -> str:
        """A hash of the windows and of what is hidden in them."""
        content = np.ascontiguousarray(self.items).tobytes() + self.is_hidden.tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def by_window(self, values: np.ndarray) -> np.ndarray:
        """Values of the hidden tokens added up by window, (N,)."""
        sums: np.ndarray = values.reshape(len(self.items), -1).sum(axis=1)
        return sums

    def examples(self, log_p: Tensor, tokenizer: Tokenizer) -> list[dict[str, str]]:
        """The first windows with their masks, as they are, and with the likeliest tokens."""
        filled = self.items.astype(np.int64)
        filled[self.is_hidden] = log_p.argmax(dim=1).numpy()
        masked = np.where(self.is_hidden, tokenizer.vocabulary, self.items)
        return [
            {
                "input": show(tokenizer, masked[row].tolist()),
                "expected": tokenizer.decode(self.items[row]),
                "output": tokenizer.decode(filled[row]),
            }
            for row in range(min(EXAMPLES, len(self.items)))
        ]


def _behind(task: Fills, masked: Masked, progress: Progress) -> Tensor:
    """What the task says of the hidden tokens, (hidden, V); MachineError where it says nothing."""
    parts = []
    for start in range(0, len(masked.items), WINDOWS_AT_ONCE):
        part = slice(start, start + WINDOWS_AT_ONCE)
        parts.append(task.behind(masked.items[part], masked.is_hidden[part]))
        progress("filling in masks", min(1.0, part.stop / len(masked.items)))
    log_p = torch.cat(parts)
    if bad := int(log_p.isnan().any(dim=1).sum()):
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(log_p)} masks; "
            "train again with a lower training.optimizer.learning_rate, or ask the weights "
            "themselves with --raw"
        )
    return log_p
