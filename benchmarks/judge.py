"""Judge samples of MNIST-form digits from outside: nothing here comes from the package.

    python benchmarks/judge.py --data FOLDER samples.npz

FOLDER holds the four IDX files (`train-images-idx3-ubyte.gz`, …); `samples.npz` is what `noiseloom
sample RUN --num 1000 --out samples.npz` writes: `images` uint8 (N, H, W, 1), and `labels` (without
them agreement is null). One JSON document is printed: every figure of the samples, and under `real`
what as many real training digits score (the floor of a distance, as a mean over draws).

The judge is a small digit classifier trained here on the training digits with its own network, loop
and seed, and kept in `--cache`; features are its 128 hidden units. All comparisons are with all
test digits. It is trained as long as makes it a sensible judge: it reads about 98 % of the test
digits, and real training digits score a Fréchet distance of about 4 at n = 10,000, 11 at n = 1,000.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

SEED, EPOCHS, BATCH, LEARNING_RATE = 1234, 8, 64, 2e-3
DRAWS, NEIGHBOURS = 20, 3


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, H, W) float32 in [0, 1], and their labels (N,), -1 where there is none."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Judge:
    """Reads features (N, 128) and labels (N,) off images."""

    network: nn.Sequential

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.cat([self.network[:-1](part * 2 - 1) for part in images.split(500)])
        return features, self.network[-1](features).argmax(dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Judge samples of MNIST-form digits.")
    parser.add_argument("samples", type=Path, help="an .npz with images and labels")
    parser.add_argument("--data", type=Path, required=True, help="folder of the four IDX files")
    parser.add_argument("--num", type=int, help="judge the first so many samples only")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--seed", type=int, default=SEED, help="another judge of the same kind")
    parser.add_argument("--cache", type=Path, default=home / "noiseloom" / "judge")
    given = parser.parse_args()
    train, test = read_digits(given.data, "train"), read_digits(given.data, "t10k")
    with np.load(given.samples) as arrays:
        images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).float() / 255
        unlabelled = np.full(len(images), -1)
        labels = torch.from_numpy(arrays.get("labels", unlabelled))
    samples = Digits(images[: given.num], labels[: given.num])
    judge = prepare(train, given.cache, given.seed)
    print(json.dumps(verdict(judge, samples, train, test), indent=1))


def read_digits(folder: Path, part: str) -> Digits:
    images = _read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return Digits(torch.from_numpy(images)[:, None].float() / 255, torch.from_numpy(labels).long())


def _read_idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape).copy()


# The judge ---------------------------------------------------------------------------------------


def prepare(train: Digits, cache: Path, seed: int = SEED) -> Judge:
    """The judge for these training digits, trained once and kept."""
    digest = hashlib.sha256(train.images.numpy().tobytes() + train.labels.numpy().tobytes())
    digest.update(f"{seed} {EPOCHS} {BATCH} {LEARNING_RATE}".encode())
    path = cache / f"{digest.hexdigest()[:16]}.safetensors"
    network = _network(train.images.shape[2:], seed)
    if path.is_file():
        network.load_state_dict(load_file(path))
        return Judge(network)
    _train(network, train, seed)
    cache.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)
    return Judge(network)


def _network(size: tuple[int, ...], seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (size[0] // 4) * (size[1] // 4), 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def _train(network: nn.Sequential, train: Digits, seed: int) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    order = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(train.images), generator=order).split(BATCH):
            loss = F.cross_entropy(network(train.images[batch] * 2 - 1), train.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# The verdict -------------------------------------------------------------------------------------


def verdict(judge: Judge, samples: Digits, train: Digits, test: Digits) -> dict[str, Any]:
    """Every figure of the samples, and of as many real digits."""
    n = min(len(samples.images), len(train.images))
    reference, read_test = judge.look(test.images)
    pool, _ = judge.look(train.images)
    features, read = judge.look(samples.images[:n])
    reach = _radii(reference)
    chance = torch.Generator().manual_seed(SEED)
    draws = [torch.randperm(len(pool), generator=chance)[:n] for _ in range(DRAWS)]
    draws = draws[:1] if n == len(pool) else draws
    floors = [frechet(pool[draw], reference) for draw in draws]
    is_real_looking = _covered(pool, reference, reach)
    recalls = [_share(_covered(reference, pool[draw], _radii(pool[draw]))) for draw in draws[:5]]
    distance, is_labelled = frechet(features, reference), bool((samples.labels >= 0).all())
    held_out = _nearest(test.images, train.images)
    return {
        "num": n,
        "frechet_distance": distance,
        "frechet_over_floor": distance / float(np.mean(floors)),
        "label_agreement": _share(read == samples.labels[:n]) if is_labelled else None,
        "precision": _share(_covered(features, reference, reach)),
        "recall": _share(_covered(reference, features, _radii(features))),
        "nearest_train_ratio": _nearest(samples.images[:n], train.images) / held_out,
        "real": {
            "frechet_distance": float(np.mean(floors)),
            "frechet_distance_spread": float(np.std(floors)),
            "draws": len(draws),
            "label_agreement": _share(read_test == test.labels),
            "precision": float(np.mean([_share(is_real_looking[draw]) for draw in draws])),
            "recall": float(np.mean(recalls)),
            "nearest_train_ratio": 1.0,
        },
    }


def frechet(x: Tensor, y: Tensor) -> float:
    """Squared Fréchet distance of Gaussians fitted to features (arXiv:1706.08500), float64."""
    x, y = x.double(), y.double()
    cov_x, cov_y = torch.cov(x.T), torch.cov(y.T)
    eigenvalues = torch.linalg.eigvals(cov_x @ cov_y).real.clamp(min=0)
    mixed = cov_x.trace() + cov_y.trace() - 2 * eigenvalues.sqrt().sum()
    return float((x.mean(0) - y.mean(0)).square().sum() + mixed)


def _radii(features: Tensor) -> Tensor:
    """Distance to the k-th nearest neighbour in the set (arXiv:1904.06991)."""
    nearest = [
        torch.cdist(part, features).topk(NEIGHBOURS + 1, largest=False).values[:, -1]
        for part in features.split(500)
    ]
    return torch.cat(nearest)


def _covered(points: Tensor, features: Tensor, reach: Tensor) -> Tensor:
    parts = [(torch.cdist(part, features) <= reach).any(dim=1) for part in points.split(500)]
    return torch.cat(parts)


def _nearest(images: Tensor, train: Tensor) -> float:
    """Mean Euclidean distance of pixels to the nearest training digit."""
    rows = train.flatten(1)
    exact = "donot_use_mm_for_euclid_dist"  # for the one found; the search may round
    total = 0.0
    for part in images.flatten(1).split(500):
        found = rows[torch.cdist(part, rows).argmin(dim=1)]
        total += float(
            torch.cdist(part[:, None], found[:, None], compute_mode=exact).double().sum()
        )
    return total / len(images)


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


if __name__ == "__main__":
    main()
