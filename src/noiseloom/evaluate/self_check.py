"""Can these features be trusted? Real images are damaged in known ways, and the figures must move.

Blur, noise and a dropped class must raise the Fréchet distance above that of the very same draws of
real images undamaged; replayed training images must lower the nearest-training ratio. Features that
miss any of it are uninformative, whatever distance they report. The damage is mild: blur of 3 % of
the image's side, noise of 10 % of the range, one class of those there are (without labels, one of
`GROUPS` groups of similar images).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from noiseloom.data.dataset import Dataset
from noiseloom.evaluate.features import Features, chunks
from noiseloom.evaluate.frechet import FrechetDistance
from noiseloom.evaluate.memorisation import Nearest, distance_ratio, nearest, pixels
from noiseloom.evaluate.real import Real

DRAWS = 6
MOST = 1_000  # images a draw
REPLAYED = 250
GROUPS, GROUPED = 10, 2_000
RISE, FALL = 0.1, 0.5  # how far a response must at least rise; for replayed images, fall to

Damage = Callable[[Tensor, torch.Generator], Tensor]


def self_check(
    dataset: Dataset, real: Real, num: int, frechet: FrechetDistance, generator: torch.Generator
) -> dict[str, Any]:
    """`informative`, and each response: the damaged images' figure over the undamaged ones'."""
    n = max(2, min(num, MOST, len(real.pool) // 2))
    draws = [torch.randperm(len(real.pool), generator=generator)[:n] for _ in range(DRAWS)]
    plain = torch.tensor([frechet.of(real.pool[draw]) for draw in draws])
    ratios: dict[str, Tensor] = {}
    for name, damage in (("blur", blur), ("noise", add_noise)):
        chosen = (dataset.train.items[real.pool_index[draw].numpy()] for draw in draws)
        distances = [
            frechet.of(_damaged(dataset, real.features, items, damage, generator))
            for items in chosen
        ]
        ratios[name] = torch.tensor(distances) / plain
    groups = _groups(dataset, real, generator)
    rests = [torch.nonzero(groups != group).flatten() for group in range(GROUPS)]
    dropped = [
        frechet.of(real.pool[rest[torch.randperm(len(rest), generator=generator)[:n]]])
        for rest in rests
        if n <= len(rest) < len(real.pool)
    ]
    responses = {name: float(ratio.mean()) for name, ratio in ratios.items()}
    errors = {name: float(ratio.std()) / math.sqrt(DRAWS) for name, ratio in ratios.items()}
    if dropped:  # other draws than the plain ones: the chance of both counts
        responses["dropped_class"] = float(np.mean(dropped)) / float(plain.mean())
        errors["dropped_class"] = float(plain.std() / plain.mean()) * math.sqrt(2 / DRAWS)
    missed = [name for name, r in responses.items() if r < 1 + max(RISE, 2 * errors[name])]
    replayed = distance_ratio(_replay(dataset, generator), real.held_out)
    if replayed > FALL:
        missed.append("replayed_training_images")
    return {
        "informative": not missed,
        "not_registered": missed,
        "responses": {
            **{name: round(ratio, 4) for name, ratio in responses.items()},
            "replayed_training_images": round(replayed, 4),
        },
    }


def _damaged(
    dataset: Dataset,
    features: Features,
    items: np.ndarray,
    damage: Damage,
    generator: torch.Generator,
) -> Tensor:
    def spoil(chunk: np.ndarray) -> Tensor:
        return damage(dataset.to_model(chunk), generator)

    return features.embed_items(items, spoil)[0]


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """A Gaussian blur of standard deviation 3 % of the side, at least half a pixel."""
    deviation = max(0.5, 0.03 * max(images.shape[2:]))
    reach = min(math.ceil(3 * deviation), *images.shape[2:])
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    across = F.pad(images, (reach, reach, 0, 0), mode="replicate")
    across = F.conv2d(across, weights, groups=images.shape[1])
    down = F.pad(across, (0, 0, reach, reach), mode="replicate")
    return F.conv2d(down, weights.transpose(2, 3), groups=images.shape[1])


def add_noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of standard deviation 10 % of the range from black to white."""
    noise = torch.randn(images.shape, generator=generator)
    return (images + 0.2 * noise).clamp(-1, 1)


def _replay(dataset: Dataset, generator: torch.Generator) -> Nearest:
    """Training images with noise too faint to see, as a model that has memorised makes them."""
    count = min(REPLAYED, len(dataset.train))
    chosen = torch.randperm(len(dataset.train), generator=generator)[:count]
    items = np.asarray(dataset.train.items[chosen.sort().values.numpy()], dtype=np.float32)
    noise = torch.randn(items.shape, generator=generator).numpy()
    replayed = (items + 2 * noise).round().clip(0, 255).astype(np.uint8)
    return nearest(replayed, dataset.train.items, flip=dataset.form.flip)


def _groups(dataset: Dataset, real: Real, generator: torch.Generator) -> Tensor:
    """The group of each pool image: its class (the first `GROUPS`), or one of similar pixels."""
    if dataset.train.labels is not None:
        labels = torch.from_numpy(np.asarray(dataset.train.labels))[real.pool_index]
        common = torch.bincount(labels).argsort(descending=True, stable=True)
        return torch.argsort(common)[labels]
    items = dataset.train.items[real.pool_index.numpy()]
    rows = torch.cat([pixels(part) for part in chunks(items)])
    centres = rows[torch.randperm(len(rows), generator=generator)[:GROUPS]]
    for _ in range(10):  # k-means on a part
        some = rows[:GROUPED]
        nearest_centre = torch.cdist(some, centres).argmin(dim=1)
        for group in range(len(centres)):
            if (nearest_centre == group).any():
                centres[group] = some[nearest_centre == group].mean(dim=0)
    return torch.cdist(rows, centres).argmin(dim=1)
