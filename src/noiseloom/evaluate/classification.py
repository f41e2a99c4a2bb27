"""Evaluating predictions of classes: how often they are right, and whether they know it.

Accuracy, macro-F1 and expected calibration error on held-out items, each with its interval, beside
the same of plain baselines learned from the same data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge
from torch import Tensor

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.evaluate.agreement import agreement, agreement_interval, as_tensor
from noiseloom.evaluate.baselines import FREQUENCY, REGRESSION, frequency, regression
from noiseloom.evaluate.calibration import calibration_error, calibration_interval, reliability
from noiseloom.evaluate.confusion import confusion, macro_f1, macro_f1_interval, recalls
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.networks import Answer


@dataclass(frozen=True, kw_only=True)
class Config:
    """How predictions of classes are measured, on all held-out items."""

    answers: ClassVar[Answer] = "classes"

    bootstrap: Annotated[int, Ge(20)] = option(200, "resamples behind each interval")
    bins: Annotated[int, Ge(1)] = option(15, "bins of confidence in the calibration error")

    def measure(
        self,
        dataset: Dataset,
        logits: Tensor,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of `logits` (N, classes), a row for each held-out item of `dataset`.

        `protocol` says how they were made, and is returned with how they were measured.
        """
        assert dataset.reference.labels is not None  # the task saw to it
        truth = as_tensor(dataset.reference.labels)
        regressed, how = regression(dataset, progress)
        progress("measuring predictions", 0.0)
        probabilities = logits.double().softmax(dim=1)
        own = self._figures(probabilities, truth, seed)
        progress("measuring predictions", 1.0)
        confidence, read = probabilities.max(dim=1)
        counts = confusion(truth.numpy(), read.numpy(), len(dataset.class_names))
        return {
            **own,
            "baselines": {
                REGRESSION: self._figures(regressed, truth, seed),
                FREQUENCY: self._figures(frequency(dataset), truth, seed),
            },
            "protocol": {
                **protocol,
                "held_out": len(truth),
                "training_items": len(dataset.train),
                "bootstrap": self.bootstrap,
                "bins": self.bins,
                "evaluation_seed": seed,
                "baseline": how,
                "data": dataset.fingerprint,
            },
            "checks": {
                "recall_by_class": recalls(counts, dataset.class_names),
                "reliability": reliability(confidence, read == truth, self.bins),
                "confusion": counts.tolist(),
            },
        }

    def _figures(self, probabilities: Tensor, truth: Tensor, seed: int) -> dict[str, Any]:
        """Metrics and intervals of `probabilities` (N, classes) for items of class `truth` (N,)."""
        confidence, read = probabilities.max(dim=1)
        right = read == truth
        counts = confusion(truth.numpy(), read.numpy(), probabilities.shape[1])
        numbers = np.random.Generator(np.random.Philox(key=seeds.key(seed, "evaluate macro-f1")))
        drawn = seeds.generator(seed, "evaluate calibration")
        metrics = {
            "accuracy": agreement(read, truth),
            "macro_f1": macro_f1(counts),
            "calibration_error": calibration_error(confidence, right, self.bins),
        }
        intervals = {
            "accuracy": agreement_interval(read, truth),
            "macro_f1": macro_f1_interval(counts, self.bootstrap, numbers),
            "calibration_error": calibration_interval(
                confidence, right, self.bins, self.bootstrap, drawn
            ),
        }
        return {
            "metrics": metrics,
            "intervals": {name: list(interval) for name, interval in intervals.items()},
        }
