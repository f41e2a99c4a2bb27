"""Evaluating estimates of numbers: how far off they are, and how they go together with the truth.

RMSE in the unit of the labels, Pearson and Spearman correlation on all held-out items, each with
its interval, beside the same of plain baselines learned from the same data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge

from noiseloom import seeds
from noiseloom.config import option
from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.data.forms import SeriesForm
from noiseloom.errors import MachineError
from noiseloom.evaluate.beside import Figures, beside
from noiseloom.evaluate.correlation import figures
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.ridge import NAME, ridge
from noiseloom.networks import Answer
from noiseloom.tasks import Estimates

LAST, MEAN = "last value", "mean of the training labels"
BATCH = 500
POINTS, EXAMPLES = 1000, 12  # kept for the report, evenly taken
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How estimates of numbers are measured, on all held-out items."""

    answers: ClassVar[Answer] = "numbers"

    bootstrap: Annotated[int, Ge(20)] = option(200, "resamples behind each interval")

    def measure(
        self,
        dataset: Dataset,
        task: Estimates,
        *,
        seed: int,
        protocol: Mapping[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of what `task` estimates for the held-out items of `dataset`.

        `protocol` says how it was made, and is returned with how it was measured.
        """
        assert dataset.reference.labels is not None  # the task saw to it
        truth = np.asarray(dataset.reference.labels, np.float64)
        regressed, how = ridge(dataset, progress)
        estimate = estimates_of(task, dataset.reference.items, progress)
        return beside(
            self._figures(truth, estimate, seed),
            {
                name: self._figures(truth, one, seed)
                for name, one in {NAME: regressed, **plain(dataset)}.items()
            },
            protocol={
                **protocol,
                "held_out": len(truth),
                "training_items": len(dataset.train),
                "bootstrap": self.bootstrap,
                "evaluation_seed": seed,
                "baseline": how,
                "data": dataset.fingerprint,
            },
            checks=_checks(dataset, truth, estimate),
        )

    def _figures(self, truth: np.ndarray, estimate: np.ndarray, seed: int) -> Figures:
        key = seeds.key(seed, "evaluate regression")
        random = np.random.Generator(np.random.Philox(key=key))
        return figures(truth, estimate, self.bootstrap, random)


def estimates_of(task: Estimates, items: np.ndarray, progress: Progress = ignore) -> np.ndarray:
    """The numbers (N,) that a task reads in stored items, float64; MachineError if not finite."""
    parts = []
    for start in range(0, len(items), BATCH):
        parts.append(task.estimate(items[start : start + BATCH]))
        progress("estimating", min(start + BATCH, len(items)) / len(items))
    estimates = torch.cat(parts).double().numpy()
    bad = int((~np.isfinite(estimates)).sum())
    if bad:
        raise MachineError(
            f"The model answered numbers that are not finite for {bad} of {len(estimates)} items; "
            "train again with a lower training.optimizer.learning_rate, or ask the weights "
            "themselves with --raw."
        )
    return estimates


def plain(dataset: Dataset) -> dict[str, np.ndarray]:
    """Estimates that need no learning: the mean, and the last value where numbers go on with it."""
    assert dataset.train.labels is not None  # the task saw to it
    mean = float(np.mean(dataset.train.labels, dtype=np.float64))
    found = {MEAN: np.full(len(dataset.reference), mean)}
    if isinstance(dataset.form, SeriesForm) and dataset.form.continued is not None:
        found = {LAST: dataset.form.anchors(dataset.reference.items), **found}
    return found


def _checks(dataset: Dataset, truth: np.ndarray, estimate: np.ndarray) -> dict[str, Any]:
    """What the report draws: points of the scatter, the residuals and, of texts, some examples."""
    shown = np.linspace(0, len(truth) - 1, min(POINTS, len(truth))).round().astype(int)
    residuals = estimate - truth
    checks: dict[str, Any] = {
        "points": {"truth": truth[shown].tolist(), "estimate": estimate[shown].tolist()},
        "residuals": {
            "mean": float(residuals.mean()),
            "std": float(residuals.std()),
            "quantiles": {
                f"{share:g}": float(np.quantile(residuals, share)) for share in QUANTILES
            },
        },
    }
    if isinstance(dataset, TextDataset):
        order = np.argsort(truth, kind="stable")
        places = np.linspace(0, len(order) - 1, min(EXAMPLES, len(order))).round().astype(int)
        checks["examples"] = [
            {
                "input": " | ".join(dataset.reference_texts[int(one)]),
                "expected": f"{truth[one]:.3g}",
                "output": f"{estimate[one]:.3g}",
            }
            for one in order[places]
        ]
    return checks
