"""Evaluating a model of text: how likely it finds held-out text, and what it writes.

Nats per token, and bits per byte of the raw text, over all of the held-out text in its windows,
each token but the first given those before it in its window. Beside it what an n-gram model learned
from the same training text scores on the same tokens, given as much. What the model writes stands
beside held-out text of the same length.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate import ngram, store
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.resampling import Interval, ratio_interval
from noiseloom.evaluate.windows import text_of
from noiseloom.evaluate.written import Asked, measure_written
from noiseloom.networks import Answer
from noiseloom.tasks import Scores, Task, Writes

TOKENS_AT_ONCE = 16_384
MOST_LEARNED = 8_000_000  # training tokens that the n-gram learns from: a minute, 2 GB


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a model of text is measured, on all held-out text."""

    answers: ClassVar[Answer] = "text"

    bootstrap: Annotated[int, Ge(20)] = option(1000, "resamples behind each interval")
    ngram: Annotated[int, Ge(1)] = option(7, "tokens of the n-gram baseline's grams, at most")
    samples: Annotated[int, Ge(0)] = option(16, "texts written, to be looked at and measured")
    max_tokens: Annotated[int, Ge(1)] = option(256, "tokens of each")

    def measure(
        self,
        dataset: Dataset,
        task: Task,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of `task`, which `Scores`, on the windows of `dataset`.

        `protocol` says with which weights, and is returned with how they were measured. Raises
        InputError for a task that does not say how likely text is.
        """
        if not isinstance(task, Scores) or not isinstance(dataset, TextDataset):
            raise InputError(
                "evaluation text asks how likely held-out text is, which this task does not say; "
                "use another evaluation"
            )
        began = time.perf_counter()
        nats = nats_of(task, dataset, seed, progress)
        seconds = round(time.perf_counter() - began, 2)
        judged = _Judged(self, dataset, seed)
        plain, how = _plain(dataset, self.ngram, progress)
        own, errors = judged.figures(nats)
        other, _ = judged.figures(plain)
        result = beside(
            own,
            {f"{how['order']}-gram": other},
            protocol={
                **protocol,
                **judged.describe(),
                "seconds_to_score": seconds,
                "evaluation_seed": seed,
                "baseline": how,
                "data": dataset.fingerprint,
            },
            checks={
                "is_bound": task.is_bound,
                "standard_error": errors,
                "ahead": judged.ahead(plain, nats),
            },
        )
        if self.samples and isinstance(task, Writes):
            asked = Asked(self.samples, self.max_tokens, self.bootstrap)
            written = measure_written(task, dataset, asked, seed=seed, progress=progress)
            result["metrics"] |= written.own.metrics
            result["intervals"] |= written.own.intervals
            result["floor"] = dict(written.real.metrics)
            result["floor_intervals"] = dict(written.real.intervals)
            result["protocol"] |= {"texts": self.samples, "max_tokens": self.max_tokens}
            result["checks"]["examples"] = written.examples
        return result


def nats_of(task: Scores, dataset: TextDataset, seed: int, progress: Progress) -> np.ndarray:
    """The nats of each held-out window, (N,) float64; MachineError where one is not finite."""
    windows = dataset.reference.items
    step = max(1, TOKENS_AT_ONCE // windows.shape[1])
    parts = []
    for start in range(0, len(windows), step):
        items = windows[start : start + step]
        places = range(start, start + len(items))
        random = seeds.Random(seed, places, total=len(windows)).under("evaluate text")
        parts.append(task.score(items, random).double().sum(dim=1))
        progress("scoring held-out text", (start + len(items)) / len(windows))
    nats = torch.cat(parts).numpy()
    if bad := int((~np.isfinite(nats)).sum()):
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(nats)} windows; "
            "train again with a lower training.optimizer.learning_rate, or ask the weights "
            "themselves with --raw"
        )
    return nats


class _Judged:
    """Held-out windows as figures see them: tokens and bytes of each."""

    def __init__(self, config: Config, dataset: TextDataset, seed: int) -> None:
        windows = dataset.reference.items
        self.config, self.seed = config, seed
        self.tokens = np.full(len(windows), windows.shape[1] - 1.0)
        self.bytes = dataset.text_form.tokenizer.byte_lengths[windows[:, 1:]].sum(axis=1)

    def describe(self) -> dict[str, Any]:
        """For the protocol."""
        return {
            "windows": len(self.tokens),
            "context": int(self.tokens[0]),
            "tokens": int(self.tokens.sum()),
            "bytes": int(self.bytes.sum()),
            "bootstrap": self.config.bootstrap,
        }

    def figures(self, nats: np.ndarray) -> tuple[Figures, dict[str, float]]:
        """Figures of windows' nats (N,), and their standard errors."""
        metrics, intervals, errors = {}, {}, {}
        for name, above, below in (
            ("nats_per_token", nats, self.tokens),
            ("bits_per_byte", nats / math.log(2), self.bytes),
        ):
            metrics[name] = float(above.sum() / below.sum())
            intervals[name], errors[name] = self._interval(above, below)
        return Figures(metrics, intervals), errors

    def ahead(self, plain: np.ndarray, own: np.ndarray) -> dict[str, Any]:
        """How many bits per byte fewer `own` takes than `plain`, window by window."""
        bits = (plain - own) / math.log(2)
        interval, _ = self._interval(bits, self.bytes)
        return {
            "bits_per_byte": float(bits.sum() / self.bytes.sum()),
            "interval": list(interval),
        }

    def _interval(self, above: np.ndarray, below: np.ndarray) -> tuple[Interval, float]:
        drawn = seeds.generator(self.seed, "evaluate text bootstrap")  # the same windows for each
        return ratio_interval(above, below, self.config.bootstrap, drawn)


def _plain(
    dataset: TextDataset, most: int, progress: Progress
) -> tuple[np.ndarray, dict[str, Any]]:
    """The nats of each held-out window by an n-gram model, and how it learned. Kept."""
    vocabulary = dataset.text_form.tokenizer.vocabulary

    def make() -> dict[str, torch.Tensor]:
        progress("learning the n-gram", 0.0)
        tokens = text_of(dataset.train.items)[:MOST_LEARNED]
        order = ngram.choose_order(tokens, vocabulary, most)
        progress("learning the n-gram", 0.5)
        nats = ngram.learn(tokens, vocabulary, order).nats(dataset.reference.items)
        return {
            "nats": torch.from_numpy(nats.sum(axis=1)),
            "order": torch.tensor(order),
            "tokens": torch.tensor(len(tokens)),
        }

    kept = store.recall(dataset.cache, "ngram", {"data": dataset.fingerprint, "most": most}, make)
    progress("learning the n-gram", 1.0)
    order, learned = int(kept["order"]), int(kept["tokens"])
    how = {
        "order": order,
        "tokens": learned,
        "words": f"The {order}-gram (interpolated Kneser-Ney) learned from {learned:,} training "
        "tokens; its order suits the last part of them best. It is given what the model is given.",
    }
    return kept["nats"].numpy(), how
