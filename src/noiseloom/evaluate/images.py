"""Evaluating images: every figure with its interval, its protocol and what real images score.

The floor of a distance is what as many real training images score against the same reference, as a
mean over draws: no model can be told from the data below it. Label agreement stands beside that of
the reference, the distance to training images beside that of held-out images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.errors import DataError, InputError
from noiseloom.evaluate import memorisation, resampling
from noiseloom.evaluate.agreement import (
    agreement,
    agreement_by_class,
    agreement_interval,
    as_tensor,
)
from noiseloom.evaluate.coverage import covered, radii
from noiseloom.evaluate.features import DIMENSION
from noiseloom.evaluate.frechet import FrechetDistance, moments
from noiseloom.evaluate.real import Real, Settings, measure_real
from noiseloom.evaluate.self_check import self_check
from noiseloom.seeds import generator

POOL_LIMIT = 20_000  # training images that the floor's draws come from
LEAST = 10  # images below which no figure means anything
PAIRS = 8  # samples shown beside the training image nearest to them

Progress = Callable[[str, float], None]
Figures = dict[str, float]
Ranges = dict[str, list[float]]


def ignore(stage: str, done: float) -> None:
    """Nobody is watching."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """How samples of images are measured."""

    num: Annotated[int, Ge(LEAST)] = option(1_000, "samples drawn and measured")
    draws: Annotated[int, Ge(1)] = option(20, "draws of real images behind each floor")
    bootstrap: Annotated[int, Ge(20)] = option(100, "resamples behind each interval")
    neighbours: Annotated[int, Ge(1)] = option(3, "k of precision and recall")
    reference_limit: Annotated[int, Ge(LEAST)] = option(
        10_000, "held-out images compared with, if there are more"
    )
    feature_images: Annotated[int, Ge(1)] = option(
        60_000,
        "training images seen while features are learned, at least two and at most 40 epochs",
    )
    feature_seed: int = option(0, "seed the features are learned with")

    def labels(self, dataset: Dataset, num: int) -> np.ndarray | None:
        """Labels to ask samples for, in the reference's proportions; None without labels.

        A model is measured against the reference: asking for every class equally often would charge
        it for the difference.
        """
        if dataset.reference.labels is None:
            return None
        counts = np.bincount(dataset.reference.labels, minlength=len(dataset.class_names))
        edges = np.cumsum(counts) / counts.sum()
        evenly = (np.arange(num) + 0.5) / num
        labels = np.searchsorted(edges, evenly).astype(np.int64)
        return labels[np.random.Generator(np.random.Philox(key=0)).permutation(num)]

    def measure(
        self,
        dataset: Dataset,
        items: np.ndarray,
        labels: np.ndarray | None,
        *,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of samples `items` (N, H, W, C) uint8, asked for as `labels` (N,).

        `protocol` says how they were made, and is returned with how they were measured. Raises
        DataError where the data holds too few images, InputError for too few samples.
        """
        n = self._count(dataset, len(items))
        items, labels = items[:n], None if labels is None else labels[:n]
        settings = Settings(
            feature_images=self.feature_images,
            feature_seed=self.feature_seed,
            reference_limit=self.reference_limit,
            pool_limit=max(POOL_LIMIT, n),
            neighbours=self.neighbours,
        )
        real = measure_real(dataset, settings, n, progress)
        comparison = _Comparison(self, dataset, real, n, seed)
        progress("measuring real images", 0.0)
        floor, floor_intervals = comparison.floor()
        progress("measuring samples", 0.0)
        metrics, intervals, checks = comparison.samples(items, labels)
        progress("checking the features", 0.0)
        check = self_check(dataset, real, n, comparison.frechet, comparison.random("check"))
        progress("checking the features", 1.0)
        return {
            "metrics": metrics,
            "floor": {name: floor[name] for name in metrics},
            "intervals": intervals,
            "floor_intervals": {k: v for k, v in floor_intervals.items() if k in metrics},
            "protocol": {**protocol, **self._protocol(dataset, real, n, seed)},
            "checks": {**check, **checks},
        }

    def _count(self, dataset: Dataset, given: int) -> int:
        """How many samples are compared: no more than there are training images for the floor."""
        fewest = min(len(dataset.train), len(dataset.reference))
        if fewest < LEAST:
            raise DataError(
                f"{len(dataset.train)} training and {len(dataset.reference)} held-out images are "
                f"there; an evaluation needs {LEAST} of each. Add images, or train with --no-evaluate."
            )
        if given < LEAST:
            raise InputError(f"{given} samples were given; an evaluation needs at least {LEAST}.")
        return min(given, len(dataset.train))

    def _protocol(self, dataset: Dataset, real: Real, n: int, seed: int) -> dict[str, Any]:
        accuracy = None
        if real.reference_read is not None and real.reference_labels is not None:
            accuracy = agreement(real.reference_read, real.reference_labels)
        return {
            "num": n,
            "reference": len(real.reference),
            "floor_draws": 1 if n == len(real.pool) else self.draws,
            "bootstrap": self.bootstrap,
            "neighbours": self.neighbours,
            "held_out_compared": len(real.held_out.distance),
            "training_images": len(dataset.train),
            "evaluation_seed": seed,
            "features": {
                "kind": real.features.kind,
                "dimension": DIMENSION,
                "images_seen": self.feature_images,
                "seed": self.feature_seed,
                "accuracy": accuracy,
            },
            "data": dataset.fingerprint,
        }


class _Comparison:
    """One set of samples beside real images, n of each."""

    def __init__(self, config: Config, dataset: Dataset, real: Real, n: int, seed: int) -> None:
        self.config, self.dataset, self.real, self.n, self.seed = config, dataset, real, n, seed
        self.frechet = FrechetDistance(moments(real.reference))
        self.kernel = real.kernel

    def random(self, purpose: str) -> torch.Generator:
        return generator(self.seed, f"evaluate {purpose}")

    def floor(self) -> tuple[Figures, Ranges]:
        """What n real training images score, and the range that draws of them fall in."""
        pool, reference = self.real.pool, self.real.reference
        chosen = resampling.draws(len(pool), self.n, self.config.draws, self.random("floor"))
        closeness = self.real.pool_closeness
        is_precise = covered(pool, reference, self.real.reach).double()
        seen: dict[str, list[float]] = {
            "frechet_distance": [self.frechet.of(pool[draw]) for draw in chosen],
            "frechet_distance_extrapolated": [
                self.frechet.extrapolated(pool[draw], self.random("extrapolation"))
                for draw in chosen[:5]
            ],
            "kernel_distance": [self.kernel.of(pool[draw], closeness[draw]) for draw in chosen],
            "precision": [float(is_precise[draw].mean()) for draw in chosen],
            "recall": [self._recall(pool[draw]) for draw in chosen],
            "nearest_train_ratio": self._held_out_ratios(),
        }
        floor = {name: float(np.mean(values)) for name, values in seen.items()}
        floor["nearest_train_ratio"] = 1.0
        ranges = {k: list(r) for k, v in seen.items() if (r := resampling.spread(v)) is not None}
        real = self.real
        if real.reference_read is not None and real.reference_labels is not None:
            read, own = real.reference_read, real.reference_labels
            floor["label_agreement"] = agreement(read, own)
            ranges["label_agreement"] = list(agreement_interval(read, own))
        return floor, ranges

    def samples(
        self, items: np.ndarray, labels: np.ndarray | None
    ) -> tuple[Figures, Ranges, dict[str, Any]]:
        """The samples' figures, their intervals, and what was noticed."""
        resamples, real = self.config.bootstrap, self.real
        features, read = real.features.embed_items(items, self.dataset.to_model)
        precision = float(covered(features, real.reference, real.reach).double().mean())
        recall = self._recall(features)
        found = memorisation.nearest(items, self.dataset.train.items)
        metrics = {
            "frechet_distance": self.frechet.of(features),
            "frechet_distance_extrapolated": self.frechet.extrapolated(
                features, self.random("extrapolation")
            ),
            "kernel_distance": self.kernel.of(features),
            "precision": precision,
            "recall": recall,
            "nearest_train_ratio": memorisation.distance_ratio(found, real.held_out),
        }
        ratio_range = memorisation.ratio_interval(
            found, real.held_out, resamples, self.random("ratio")
        )
        ranges = {
            "frechet_distance": self.frechet.interval(features, resamples, self.random("frechet")),
            "kernel_distance": self.kernel.interval(features, resamples, self.random("kernel")),
            "precision": resampling.share_interval(precision, self.n),
            "recall": resampling.share_interval(recall, len(real.reference)),
            "nearest_train_ratio": ratio_range,
        }
        checks: dict[str, Any] = {"memorisation": self._memorisation(found, ratio_range)}
        if labels is not None and read is not None:
            asked = as_tensor(labels)
            metrics["label_agreement"] = agreement(read, asked)
            ranges["label_agreement"] = agreement_interval(read, asked)
            names = self.dataset.class_names
            checks["label_agreement_by_class"] = agreement_by_class(read, asked, names)
        return metrics, {name: list(interval) for name, interval in ranges.items()}, checks

    def _recall(self, features: Tensor) -> float:
        reach = radii(features, min(self.config.neighbours, len(features) - 1))
        return float(covered(self.real.reference, features, reach).double().mean())

    def _held_out_ratios(self) -> list[float]:
        """The ratio of draws of n held-out images to all of them."""
        distances = self.real.held_out.distance
        n = min(self.n, len(distances) // 2)
        chosen = resampling.draws(len(distances), n, self.config.draws, self.random("held out"))
        whole = distances.mean().clamp(min=1e-12)
        return [float(distances[draw].mean() / whole) for draw in chosen]

    def _memorisation(
        self, found: memorisation.Nearest, ratio_range: tuple[float, float]
    ) -> dict[str, Any]:
        """The alarm, and the samples that stand out most, each with its training image."""
        held_out = self.real.held_out
        copies = memorisation.near_copies(found, held_out)
        order = found.standing_out.argsort()[:PAIRS]
        return {
            "alarm": bool(
                ratio_range[1] < memorisation.ALARM_RATIO
                or memorisation.too_many_copies(found, held_out)
            ),
            "near_copies": len(copies),
            "nearest_pairs": [
                {
                    "sample": index,
                    "training_image": int(found.index[index]),
                    "distance": round(float(found.distance[index]), 4),
                    "standing_out": round(float(found.standing_out[index]), 4),
                }
                for index in order.tolist()
            ],
        }
