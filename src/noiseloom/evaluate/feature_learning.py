"""Learning features: a classifier where there are labels, VICReg otherwise.

VICReg (Bardes et al., arXiv:2105.04906, eqs. 1-6) draws two views of an image together while it
keeps the features' variance up and their covariance down; it needs no negatives and no large batch.
Both are also asked how much an image was damaged (`views`), so that the features register it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noiseloom.evaluate import views
from noiseloom.evaluate.features import Features, ToModel, chunks, new_encoder, standardised
from noiseloom.evaluate.progress import Progress, ignore
from noiseloom.networks.image_encoder import DIMENSION, linear

BATCH = 128
LEARNING_RATE = 3e-3
MOST_EPOCHS = 100
SMALL = 48  # pixels of the longest side above which fewer images are looked at
WARM_UP = 0.15  # share of the steps in which the learning rate rises
EXPANDED = 256  # width of VICReg's projection
CLASSIFIER_DAMAGE, VICREG_DAMAGE = 3.0, 25.0  # weights of the loss on damage
SCALE_SAMPLE = 5_000  # training images that mean and scale are measured on

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Budget:
    """How long to learn: `images` counts every view of a training image."""

    images: int
    seed: int

    def steps(self, available: int, size: int, views: int) -> int:
        """Batches of `views` of each image: fewer where images are large, at most `MOST_EPOCHS`.

        Where there are many images, at least two epochs of small ones.
        """
        images = max(self.images, 2 * available) * min(1.0, SMALL / size) / views
        return max(1, int(min(images, MOST_EPOCHS * available)) // min(BATCH, available))


def learn(
    items: np.ndarray,
    labels: np.ndarray | None,
    to_model: ToModel,
    budget: Budget,
    progress: Progress = ignore,
) -> Features:
    """Features of images `items` (N, H, W, C), from their labels where given.

    The same seed gives the same features (with the same number of threads).
    """
    generator = torch.Generator().manual_seed(budget.seed)
    _, height, width, channels = items.shape
    encoder = new_encoder(channels, max(height, width), generator)
    assess = nn.Sequential(nn.ReLU(), linear(DIMENSION, views.KINDS, generator))
    classify: nn.Module | None = None
    if labels is not None and len(np.unique(labels)) > 1:
        classify = nn.Sequential(nn.ReLU(), linear(DIMENSION, int(labels.max()) + 1, generator))
        loss = _classifier_loss(encoder, classify, assess, generator)
        trained = [encoder, classify, assess]
    else:
        projection = nn.Sequential(
            nn.ReLU(),
            linear(DIMENSION, EXPANDED, generator),
            nn.ReLU(),
            linear(EXPANDED, EXPANDED, generator),
        )
        loss = _vicreg_loss(encoder, projection, assess, generator)
        trained = [encoder, projection, assess]
    steps = budget.steps(len(items), max(height, width), views=2 if classify is None else 1)
    _fit(items, labels, to_model, loss, nn.ModuleList(trained), steps, generator, progress)
    encoder.requires_grad_(False).train(False)
    sample = items[np.linspace(0, len(items) - 1, min(len(items), SCALE_SAMPLE)).astype(int)]
    with torch.no_grad():
        raw = torch.cat([encoder(to_model(chunk)) for chunk in chunks(sample)])
    return standardised(encoder, classify, raw)


def _fit(
    items: np.ndarray,
    labels: np.ndarray | None,
    to_model: ToModel,
    loss: Loss,
    module: nn.Module,
    steps: int,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    optimizer = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        if len(order) < min(BATCH, len(items)):
            order = torch.randperm(len(items), generator=generator)
        batch, order = np.sort(order[:BATCH].numpy()), order[BATCH:]
        answers = torch.zeros(len(batch), dtype=torch.int64)
        if labels is not None:
            answers = torch.from_numpy(np.asarray(labels[batch], dtype=np.int64))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * _plan(step, steps)
        optimizer.zero_grad()
        loss(to_model(items[batch]), answers).backward()
        optimizer.step()
        progress("learning features", (step + 1) / steps)


def _plan(step: int, steps: int) -> float:
    """A linear rise, then half a cosine down to 0, as a share of the peak learning rate."""
    done = (step + 1) / steps
    if done < WARM_UP:
        return done / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))


def _classifier_loss(
    encoder: nn.Module, classify: nn.Module, assess: nn.Module, generator: torch.Generator
) -> Loss:
    def loss(images: Tensor, labels: Tensor) -> Tensor:
        strengths = views.draw_strengths(len(images), generator)
        view = views.damaged(views.moved(images, generator), strengths, generator)
        features = encoder(view)
        damage = F.mse_loss(assess(features), strengths)
        return F.cross_entropy(classify(features), labels) + CLASSIFIER_DAMAGE * damage

    return loss


def _vicreg_loss(
    encoder: nn.Module, projection: nn.Module, assess: nn.Module, generator: torch.Generator
) -> Loss:
    def loss(images: Tensor, labels: Tensor) -> Tensor:
        # both views are damaged alike: otherwise the features would learn to overlook it
        strengths = views.draw_strengths(len(images), generator).repeat(2, 1)
        two = torch.cat([views.moved(images, generator), views.moved(images, generator)])
        features = encoder(views.damaged(two, strengths, generator))
        one, other = projection(features).chunk(2)
        return vicreg(one, other) + VICREG_DAMAGE * F.mse_loss(assess(features), strengths)

    return loss


def vicreg(one: Tensor, other: Tensor) -> Tensor:
    """Invariance, variance and covariance terms, weighted 25, 25, 1 (eq. 6), of (B, D) views."""
    invariance = F.mse_loss(one, other)
    variance = covariance = torch.zeros(())
    for view in (one, other):
        centred = view - view.mean(dim=0)
        variance = variance + F.relu(1 - (centred.var(dim=0) + 1e-4).sqrt()).mean()
        product = centred.T @ centred / max(1, len(view) - 1)
        off_diagonal = product.square().sum() - product.diagonal().square().sum()
        covariance = covariance + off_diagonal / view.shape[1]
    return 25 * invariance + 25 * variance + covariance
