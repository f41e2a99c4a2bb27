"""Evaluating images: every figure with its interval, its protocol and what real images score.

The floor of a distance is what as many real training images score against the same reference, as a
mean over draws: below it nothing tells a model from the data. Label agreement stands beside that of
the reference, the distance to training images beside that of held-out images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.evaluate import memorisation, resampling
from noiseloom.evaluate.agreement import (
    agreement,
    agreement_by_class,
    agreement_interval,
    as_tensor,
)
from noiseloom.evaluate.coverage import covered, radii, share
from noiseloom.evaluate.features import Features
from noiseloom.evaluate.findings import Findings
from noiseloom.evaluate.frechet import FrechetDistance, moments
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.real import Real, Settings, key_of, learned_features, measure_real
from noiseloom.evaluate.rulers import Half, Ruler, half_of
from noiseloom.evaluate.sampling_plan import LEAST, SamplingPlan, comparable_count
from noiseloom.evaluate.self_check import self_check
from noiseloom.networks.image_encoder import DIMENSION
from noiseloom.seeds import generator

POOL_LIMIT = 20_000  # training images that the floor's draws come from


@dataclass(frozen=True, kw_only=True)
class Config(SamplingPlan):
    """How samples of images are measured."""

    reference_limit: Annotated[int, Ge(LEAST)] = option(
        10_000, "held-out images compared with, if there are more"
    )
    feature_images: Annotated[int, Ge(1)] = option(
        60_000, "training images seen while features are learned (2 to 100 epochs)"
    )
    feature_seed: int = option(0, "seed the features are learned with")

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
        n = comparable_count(dataset, len(items))
        real = self._real(dataset, n, progress)
        comparison = _Comparison(self, dataset, real, n, seed)
        progress("measuring real images", 0.0)
        comparison.real_images()
        progress("measuring samples", 0.0)
        checks = comparison.samples(items[:n], None if labels is None else labels[:n])
        progress("checking the features", 0.0)
        check = self_check(dataset, real, n, comparison.frechet, comparison.random("check"))
        progress("checking the features", 1.0)
        measured = _describe(self, dataset, real, n, seed)
        return comparison.findings.to_mapping({**protocol, **measured}, {**check, **checks})

    def ruler(
        self, dataset: Dataset, num: int, half: Half | None = None, progress: Progress = ignore
    ) -> Ruler:
        """The Fréchet distance of `num` samples, against one half of the held-out images or all.

        Raises DataError where the data holds too few images, InputError for too few samples.
        """
        n = comparable_count(dataset, num)
        real = self._real(dataset, n, progress)
        frechet = FrechetDistance(moments(half_of(real.reference, half)))

        def of(items: np.ndarray) -> float:
            return frechet.of(real.features.embed_items(items[:n], dataset.to_model)[0])

        chance = generator(0, "evaluate floor")
        chosen = resampling.draws(len(real.pool), n, self.draws, chance)
        floor = [frechet.of(real.pool[draw]) for draw in chosen]
        return Ruler("frechet_distance", of, sum(floor) / len(floor))

    def features(self, dataset: Dataset, progress: Progress = ignore) -> Features:
        """The features that samples of `dataset` are compared in, learned now if not yet."""
        settings = self._settings(self.num)
        return learned_features(dataset, settings, key_of(dataset, settings), progress)

    def _real(self, dataset: Dataset, n: int, progress: Progress) -> Real:
        return measure_real(dataset, self._settings(n), n, progress)

    def _settings(self, n: int) -> Settings:
        return Settings(
            feature_images=self.feature_images,
            feature_seed=self.feature_seed,
            reference_limit=self.reference_limit,
            pool_limit=max(POOL_LIMIT, n),
            neighbours=self.neighbours,
        )


def _describe(config: Config, dataset: Dataset, real: Real, n: int, seed: int) -> dict[str, Any]:
    """The part of the protocol that says how the samples were measured."""
    accuracy = None
    if real.reference_read is not None and real.reference_labels is not None:
        accuracy = agreement(real.reference_read, real.reference_labels)
    return {
        "num": n,
        "reference": len(real.reference),
        "training_images": len(dataset.train),
        "held_out_compared": len(real.held_out.distance),
        "training_images_mirrored_too": dataset.form.flip,
        "floor_draws": 1 if n == len(real.pool) else config.draws,
        "bootstrap": config.bootstrap,
        "neighbours": config.neighbours,
        "evaluation_seed": seed,
        "features": {
            "kind": real.features.kind,
            "dimension": DIMENSION,
            "images_seen": config.feature_images,
            "seed": config.feature_seed,
            "accuracy": accuracy,
        },
        "data": dataset.fingerprint,
    }


class _Comparison:
    """One set of samples beside real images, n of each."""

    def __init__(self, config: Config, dataset: Dataset, real: Real, n: int, seed: int) -> None:
        self.config, self.dataset, self.real, self.n, self.seed = config, dataset, real, n, seed
        self.frechet = FrechetDistance(moments(real.reference))
        self.findings = Findings()

    def random(self, purpose: str) -> torch.Generator:
        return generator(self.seed, f"evaluate {purpose}")

    def real_images(self) -> None:
        """What draws of n real training images score."""
        real, add = self.real, self.findings.add_real
        chosen = resampling.draws(len(real.pool), self.n, self.config.draws, self.random("floor"))
        draws = [real.pool[draw] for draw in chosen]
        extrapolated = [
            self.frechet.extrapolated(draw, self.random("extrapolation")) for draw in draws[:5]
        ]
        kernel = zip(draws, chosen, strict=True)
        is_precise = covered(real.pool, real.reference, real.reach)
        add("frechet_distance", [self.frechet.of(draw) for draw in draws])
        add("frechet_distance_extrapolated", extrapolated)
        add("kernel_distance", [real.kernel.of(x, real.pool_closeness[i]) for x, i in kernel])
        add("precision", [share(is_precise[draw]) for draw in chosen])
        add("recall", [self._recall(draw) for draw in draws])
        add("nearest_train_ratio", [1.0], resampling.spread(self._held_out_ratios()))
        if real.reference_read is not None and real.reference_labels is not None:
            read, own = real.reference_read, real.reference_labels
            add("label_agreement", [agreement(read, own)], agreement_interval(read, own))

    def samples(self, items: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
        """The samples' figures; what was noticed about single samples and classes is returned."""
        real, resamples, add = self.real, self.config.bootstrap, self.findings.add
        x, read = real.features.embed_items(items, self.dataset.to_model)
        frechet, kernel = self.frechet, real.kernel
        interval = frechet.interval(x, resamples, self.random("frechet"))
        add("frechet_distance", frechet.of(x), interval)
        extrapolated = frechet.extrapolated(x, self.random("extrapolation"))
        add("frechet_distance_extrapolated", extrapolated)
        add("kernel_distance", kernel.of(x), kernel.interval(x, resamples, self.random("kernel")))
        precision, recall = share(covered(x, real.reference, real.reach)), self._recall(x)
        add("precision", precision, resampling.share_interval(precision, self.n))
        add("recall", recall, resampling.share_interval(recall, len(real.reference)))
        found = memorisation.nearest(items, self.dataset.train.items, flip=self.dataset.form.flip)
        ratio = memorisation.distance_ratio(found, real.held_out)
        chance = self.random("ratio")
        interval = memorisation.ratio_interval(found, real.held_out, resamples, chance)
        add("nearest_train_ratio", ratio, interval)
        noticed: dict[str, Any] = {
            "memorisation": memorisation.describe(found, real.held_out, interval)
        }
        if labels is not None and read is not None:
            asked = as_tensor(labels)
            add("label_agreement", agreement(read, asked), agreement_interval(read, asked))
            names = self.dataset.class_names
            noticed["label_agreement_by_class"] = agreement_by_class(read, asked, names)
        return noticed

    def _recall(self, features: Tensor) -> float:
        reach = radii(features, min(self.config.neighbours, len(features) - 1))
        return share(covered(self.real.reference, features, reach))

    def _held_out_ratios(self) -> list[float]:
        """The ratio of draws of n held-out images (at most half of them) to all of them."""
        distances = self.real.held_out.distance
        n = min(self.n, len(distances) // 2)
        chosen = resampling.draws(len(distances), n, self.config.draws, self.random("held out"))
        whole = distances.mean().clamp(min=1e-12)
        return [float(distances[draw].mean() / whole) for draw in chosen]
