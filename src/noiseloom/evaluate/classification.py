"""Evaluating predictions of classes: how often they are right, and whether they know it.

Accuracy, macro-F1 and expected calibration error on held-out items, each with its interval, beside
the same of plain baselines learned from the same data. Of texts also some with what is read in
them, and the mistakes it is surest of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge
from torch import Tensor

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.evaluate.agreement import agreement, agreement_interval, as_tensor
from noiseloom.evaluate.baselines import FREQUENCY, REGRESSION, frequency, regression
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.calibration import calibration_error, calibration_interval, reliability
from noiseloom.evaluate.confusion import confusion, macro_f1, macro_f1_interval, recalls
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.networks import Answer

EXAMPLES, MISTAKES = 12, 20  # texts kept for the report


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
        checks = {
            "recall_by_class": recalls(counts, dataset.class_names),
            "reliability": reliability(confidence, read == truth, self.bins),
            "confusion": counts.tolist(),
        }
        if isinstance(dataset, TextDataset):
            checks |= _texts(dataset, truth.numpy(), read.numpy(), confidence.numpy())
        return beside(
            own,
            {
                REGRESSION: self._figures(regressed, truth, seed),
                FREQUENCY: self._figures(frequency(dataset), truth, seed),
            },
            protocol={
                **protocol,
                "held_out": len(truth),
                "training_items": len(dataset.train),
                "bootstrap": self.bootstrap,
                "bins": self.bins,
                "evaluation_seed": seed,
                "baseline": how,
                "data": dataset.fingerprint,
            },
            checks=checks,
        )

    def _figures(self, probabilities: Tensor, truth: Tensor, seed: int) -> Figures:
        """Metrics and intervals of `probabilities` (N, classes) for items of class `truth` (N,)."""
        confidence, read = probabilities.max(dim=1)
        right = read == truth
        counts = confusion(truth.numpy(), read.numpy(), probabilities.shape[1])
        numbers = np.random.Generator(np.random.Philox(key=seeds.key(seed, "evaluate macro-f1")))
        drawn = seeds.generator(seed, "evaluate calibration")
        metrics = {
            "accuracy": agreement(read, truth),
            "macro_f1": macro_f1(counts),
            "expected_calibration_error": calibration_error(confidence, right, self.bins),
        }
        intervals = {
            "accuracy": agreement_interval(read, truth),
            "macro_f1": macro_f1_interval(counts, self.bootstrap, numbers),
            "expected_calibration_error": calibration_interval(
                confidence, right, self.bins, self.bootstrap, drawn
            ),
        }
        return Figures(metrics, intervals)


def _texts(
    dataset: TextDataset, truth: np.ndarray, read: np.ndarray, confidence: np.ndarray
) -> dict[str, Any]:
    """Held-out texts, evenly taken, and those read wrong with the most confidence."""
    names = dataset.class_names
    evenly = np.linspace(0, len(truth) - 1, min(EXAMPLES, len(truth))).round().astype(int)
    wrong = np.flatnonzero(read != truth)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]

    def shown(place: int) -> dict[str, Any]:
        return {
            "input": " | ".join(dataset.reference_texts[place]),
            "expected": names[truth[place]],
            "output": names[read[place]],
            "confidence": float(confidence[place]),
        }

    return {
        "examples": [shown(place) for place in evenly.tolist()],
        "mistakes": [shown(place) for place in surest.tolist()],
    }
