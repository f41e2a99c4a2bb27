"""Evaluating reconstructions: how near they come to held-out images, and what their latents are.

Beside them stands the plain way to fewer numbers: images averaged down to the latents' sides and
stretched back. The Fréchet distance is that of the reconstructions of training images, beside that
of those images themselves: what a model that draws such latents can at best reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional as F

from noiseloom.config import option
from noiseloom.data.dataset import Dataset
from noiseloom.evaluate import resampling
from noiseloom.evaluate.features import chunks
from noiseloom.evaluate.frechet import FrechetDistance, moments
from noiseloom.evaluate.images import POOL_LIMIT
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.evaluate.real import Real, Settings, measure_real
from noiseloom.evaluate.sampling_plan import LEAST, comparable_count
from noiseloom.evaluate.similarity import psnr, similarities, squared_errors
from noiseloom.networks import Answer
from noiseloom.networks.image_encoder import DIMENSION
from noiseloom.seeds import generator
from noiseloom.tasks import Reconstructed

SHRINKING = "shrinking"
Reconstruct = Callable[[np.ndarray], Reconstructed]


@dataclass(frozen=True, kw_only=True)
class Config:
    """How reconstructions are measured."""

    answers: ClassVar[Answer] = "reconstructions"

    num: Annotated[int, Ge(LEAST)] = option(
        1_000, "training images whose reconstructions are compared with held-out images"
    )
    draws: Annotated[int, Ge(1)] = option(20, "draws of real images behind the floor")
    bootstrap: Annotated[int, Ge(20)] = option(100, "resamples behind each interval")
    reference_limit: Annotated[int, Ge(LEAST)] = option(
        10_000, "held-out images reconstructed and compared with, if there are more"
    )
    feature_images: Annotated[int, Ge(1)] = option(
        60_000, "training images seen while features are learned (2 to 100 epochs)"
    )
    feature_seed: int = option(0, "seed the features are learned with")

    def measure(
        self,
        dataset: Dataset,
        reconstruct: Reconstruct,
        *,
        num_codes: int | None,
        seed: int,
        protocol: dict[str, Any],
        progress: Progress = ignore,
    ) -> dict[str, Any]:
        """The figures of what `reconstruct` makes of items.

        `num_codes` as in `tasks.Reconstructs`. `protocol` says how the model came about, and is
        returned with how it was measured. Raises DataError where the data holds too few images.
        """
        n = comparable_count(dataset, self.num)
        settings = Settings(
            feature_images=self.feature_images,
            feature_seed=self.feature_seed,
            reference_limit=self.reference_limit,
            pool_limit=max(POOL_LIMIT, n),
            neighbours=3,
        )
        real = measure_real(dataset, settings, n, progress)
        count = len(dataset.reference)
        chosen = np.linspace(0, count - 1, min(count, self.reference_limit)).round().astype(int)
        held_out = dataset.reference.items[chosen]
        progress("reconstructing held-out images", 0.0)
        found = reconstruct(held_out)
        progress("measuring reconstructions", 0.5)
        distances = _Distances(self, dataset, real, n, seed)
        factor = held_out.shape[1] // found.latents.shape[2]
        own = self._figures(held_out, found.items, seed)
        plain = self._figures(held_out, shrunk(held_out, factor), seed)
        distances.add_to(own, lambda items: reconstruct(items).items)
        distances.add_to(plain, lambda items: shrunk(items, factor))
        latents, checks = _latents(found, num_codes)
        own["metrics"] |= latents
        progress("measuring reconstructions", 1.0)
        floor = distances.floor()
        interval = resampling.spread(floor)
        return {
            **own,
            "baselines": {SHRINKING: plain},
            "floor": {"frechet_distance": float(np.mean(floor))},
            "floor_intervals": {} if interval is None else {"frechet_distance": list(interval)},
            "protocol": {
                **protocol,
                "held_out": len(held_out),
                "training_images_reconstructed": n,
                "floor_draws": len(floor),
                "evaluation_seed": seed,
                **self._describe(dataset, real, found.latents),
            },
            "checks": checks,
        }

    def _describe(self, dataset: Dataset, real: Real, latents: Tensor) -> dict[str, Any]:
        """The part of the protocol on the data, the latents and the features."""
        return {
            "reference": len(real.reference),
            "training_images": len(dataset.train),
            "latents": list(latents.shape[1:]),
            "numbers_kept": latents[0].numel() / float(np.prod(dataset.item_shape)),
            "bootstrap": self.bootstrap,
            "features": {
                "kind": real.features.kind,
                "dimension": DIMENSION,
                "images_seen": self.feature_images,
                "seed": self.feature_seed,
            },
            "data": dataset.fingerprint,
        }

    def _figures(self, truth: np.ndarray, given: np.ndarray, seed: int) -> dict[str, Any]:
        """Metrics and intervals of the images `given` (N, H, W, C) for `truth`, one by one."""
        errors, likeness = squared_errors(truth, given), similarities(truth, given)
        chance = generator(seed, "evaluate reconstructions")
        low, high = resampling.mean_interval(errors, self.bootstrap, chance)
        alike = resampling.mean_interval(likeness, self.bootstrap, chance)
        error = float(errors.mean())
        return {
            "metrics": {
                "squared_error": error,
                "psnr": psnr(error),
                "ssim": float(likeness.mean()),
            },
            "intervals": {
                "squared_error": [low, high],
                "psnr": [psnr(high), psnr(low)],
                "ssim": list(alike),
            },
        }


class _Distances:
    """Fréchet distances of n training images, real or made over, from the reference."""

    def __init__(self, config: Config, dataset: Dataset, real: Real, n: int, seed: int) -> None:
        self.config, self.dataset, self.real, self.seed = config, dataset, real, seed
        self.frechet = FrechetDistance(moments(real.reference))
        chance = generator(seed, "evaluate floor")
        self.draws = resampling.draws(len(real.pool), n, config.draws, chance)

    def floor(self) -> list[float]:
        """The distances of real draws."""
        return [self.frechet.of(self.real.pool[draw]) for draw in self.draws]

    def add_to(self, figures: dict[str, Any], remake: Callable[[np.ndarray], np.ndarray]) -> None:
        """The distance of the first draw after `remake`, with its interval."""
        chosen = np.sort(self.real.pool_index[self.draws[0]].numpy())
        items = remake(self.dataset.train.items[chosen])
        features, _ = self.real.features.embed_items(items, self.dataset.to_model)
        chance = generator(self.seed, "evaluate frechet")
        interval = self.frechet.interval(features, self.config.bootstrap, chance)
        figures["metrics"]["frechet_distance"] = self.frechet.of(features)
        figures["intervals"]["frechet_distance"] = list(interval)


def shrunk(items: np.ndarray, factor: int) -> np.ndarray:
    """Images (N, H, W, C) uint8 averaged down `factor` times and stretched back, bilinearly."""
    parts = []
    for part in chunks(items):
        pixels = torch.from_numpy(np.array(part)).permute(0, 3, 1, 2).float()
        small = F.avg_pool2d(pixels, factor)
        back = F.interpolate(small, pixels.shape[2:], mode="bilinear", align_corners=False)
        parts.append(back.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1))
    return torch.cat(parts).numpy()


def _latents(found: Reconstructed, num_codes: int | None) -> tuple[dict[str, float], Any]:
    """Figures of the latents of held-out images, and each channel's mean and spread."""
    channels = found.latents.double().movedim(1, 0).flatten(1)
    metrics: dict[str, float] = {}
    if found.nats is not None:
        metrics["latent_nats"] = float(found.nats.double().mean())
    if found.indices is not None and num_codes is not None:
        usage, perplexity = code_usage(found.indices, num_codes)
        metrics |= {"codes_used": usage, "code_perplexity": perplexity}
    return metrics, {
        "latent_mean": channels.mean(1).tolist(),
        "latent_std": channels.std(1, correction=0).tolist(),
    }


def code_usage(indices: Tensor, num_codes: int) -> tuple[float, float]:
    """The share of codes that occur in `indices`, and exp of the entropy of how often they do."""
    shares = torch.bincount(indices.flatten(), minlength=num_codes).double()
    shares /= shares.sum()
    seen = shares[shares > 0]
    return len(seen) / num_codes, float((-(seen * seen.log()).sum()).exp())
