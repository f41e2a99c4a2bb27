"""Evaluating points in the plane: they are compared as they are, no features are needed.

Energy distance and sliced Wasserstein distance to the reference, precision and recall, the distance
to training points, and how often the nearest training points have the label asked for; each beside
what as many real training points score (labels and nearest distance: real held-out points).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.dataset import Dataset
from noiseloom.evaluate import resampling
from noiseloom.evaluate.agreement import agreement, as_tensor
from noiseloom.evaluate.coverage import covered, radii, share
from noiseloom.evaluate.findings import Findings
from noiseloom.evaluate.kernel import KernelDistance, negative_distance
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.rulers import Half, Ruler, half_of
from noiseloom.evaluate.sampling_plan import SamplingPlan, comparable_count
from noiseloom.evaluate.transport import sliced_wasserstein
from noiseloom.seeds import generator

VOTERS = 15  # nearest training points that say which class a point is in
CHUNK = 500
EXACTLY = "donot_use_mm_for_euclid_dist"  # a copy is at 0


@dataclass(frozen=True, kw_only=True)
class Config(SamplingPlan):
    """How samples of points are measured."""

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
        """The figures of points `items` (N, 2), asked for as `labels` (N,).

        `protocol` says how they were made, and is returned with how they were measured. Raises
        DataError where the data holds too few points, InputError for too few samples.
        """
        n = comparable_count(dataset, len(items))
        comparison = _Comparison(self, dataset, n, seed)
        progress("measuring points", 0.0)
        samples = _tensor(items[:n])
        comparison.distances(samples)
        comparison.coverage(samples)
        comparison.nearness(samples)
        if labels is not None and dataset.train.labels is not None:
            comparison.labels(samples, as_tensor(labels[:n]), as_tensor(dataset.train.labels))
        progress("measuring points", 1.0)
        measured = {
            "num": n,
            "reference": len(dataset.reference),
            "training_points": len(dataset.train),
            "floor_draws": len(comparison.draws),
            "bootstrap": self.bootstrap,
            "neighbours": self.neighbours,
            "evaluation_seed": seed,
            "data": dataset.fingerprint,
        }
        return comparison.findings.to_mapping({**protocol, **measured}, {})

    def ruler(
        self, dataset: Dataset, num: int, half: Half | None = None, progress: Progress = ignore
    ) -> Ruler:
        """The energy distance of `num` samples, against one half of the held-out points or all.

        Raises DataError where the data holds too few points, InputError for too few samples.
        """
        n = comparable_count(dataset, num)
        held_out = half_of(_tensor(dataset.reference.items), half)
        energy = KernelDistance.against(held_out, negative_distance)
        train = _tensor(dataset.train.items)
        chosen = resampling.draws(len(train), n, self.draws, generator(0, "evaluate floor"))
        floor = [energy.of(train[draw]) for draw in chosen]
        return Ruler(
            "energy_distance", lambda items: energy.of(_tensor(items[:n])), sum(floor) / len(floor)
        )


class _Comparison:
    """One set of samples beside real points, n of each."""

    def __init__(self, config: Config, dataset: Dataset, n: int, seed: int) -> None:
        self.config, self.dataset, self.n, self.seed = config, dataset, n, seed
        self.train = _tensor(dataset.train.items)
        self.held_out = _tensor(dataset.reference.items)
        chosen = resampling.draws(len(self.train), n, config.draws, self.random("floor"))
        self.draws = [self.train[draw] for draw in chosen]
        self.findings = Findings()

    def random(self, purpose: str) -> torch.Generator:
        return generator(self.seed, f"evaluate {purpose}")

    def distances(self, samples: Tensor) -> None:
        energy = KernelDistance.against(self.held_out, negative_distance)
        interval = energy.interval(samples, self.config.bootstrap, self.random("energy"))
        self.findings.add("energy_distance", energy.of(samples), interval)
        self.findings.add_real("energy_distance", [energy.of(draw) for draw in self.draws])
        sliced = [sliced_wasserstein(points, self.held_out) for points in (samples, *self.draws)]
        self.findings.add("sliced_wasserstein", sliced[0])
        self.findings.add_real("sliced_wasserstein", sliced[1:])

    def coverage(self, samples: Tensor) -> None:
        k = self.config.neighbours
        reach = radii(self.held_out, min(k, len(self.held_out) - 1))
        shares: dict[str, list[float]] = {"precision": [], "recall": []}
        for points in (samples, *self.draws):
            own = radii(points, min(k, len(points) - 1))
            shares["precision"].append(share(covered(points, self.held_out, reach)))
            shares["recall"].append(share(covered(self.held_out, points, own)))
        for name, count in (("precision", self.n), ("recall", len(self.held_out))):
            interval = resampling.share_interval(shares[name][0], count)
            self.findings.add(name, shares[name][0], interval)
            self.findings.add_real(name, shares[name][1:])

    def nearness(self, samples: Tensor) -> None:
        """Mean distance to the nearest training point over that of held-out points."""
        usual = nearest(self.held_out, self.train, 1)[0].mean().clamp(min=1e-12)
        ratios = nearest(samples, self.train, 1)[0][:, 0] / usual
        interval = resampling.mean_interval(ratios, self.config.bootstrap, self.random("ratio"))
        self.findings.add("nearest_train_ratio", float(ratios.mean()), interval)
        self.findings.add_real("nearest_train_ratio", [1.0])

    def labels(self, samples: Tensor, asked: Tensor, known: Tensor) -> None:
        """How often most of the nearest training points have the label asked for."""
        read = self._read(samples, known)
        interval = resampling.share_interval(agreement(read, asked), self.n)
        self.findings.add("label_agreement", agreement(read, asked), interval)
        if self.dataset.reference.labels is not None:
            own = as_tensor(self.dataset.reference.labels)
            self.findings.add_real(
                "label_agreement", [agreement(self._read(self.held_out, known), own)]
            )

    def _read(self, points: Tensor, known: Tensor) -> Tensor:
        return known[nearest(points, self.train, VOTERS)[1]].mode(dim=1).values


def nearest(points: Tensor, train: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances to the k nearest training points, (N, k), and which they are."""
    k = min(k, len(train))
    found = [
        torch.cdist(part, train, compute_mode=EXACTLY).topk(k, largest=False)
        for part in points.split(CHUNK)
    ]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def _tensor(items: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(items, dtype=np.float64))
