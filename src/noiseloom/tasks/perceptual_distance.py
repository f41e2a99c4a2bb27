"""How far two images are apart in what a classifier of the same data sees in them.

Zhang et al. 2018 (arXiv:1801.03924, eq. 1) without the learned weights: at each layer and place the
channels are brought to length 1, and their squared differences are averaged over places.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.config import RunReference, option
from noiseloom.data.forms import Form
from noiseloom.tasks import Perceives, Task

LEAST_LENGTH = 1e-5  # of a place's channels: below it there is nothing to see


@dataclass(frozen=True, kw_only=True)
class Perceptual:
    """What a trained classifier sees, as a part of the loss."""

    classifier: RunReference = option(help="an image-classification run on images of this size")
    weight: float = option(0.1, "of the distance, in units of the mean squared error (-1 to 1)")

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight is {self.weight}; allowed is above 0. Or set perceptual=null")

    def find(self, key: str, form: Form, others: Mapping[str, Task]) -> Perceives:
        """The frozen classifier; ValueError where it sees other items, or nothing of use."""
        other, run = others[f"{key}.classifier"], self.classifier.run
        if not isinstance(other, Perceives):
            raise ValueError(
                f"task.{key}.classifier.run is {run}, which has no features to compare images by; "
                "name a run of an image-classification recipe"
            )
        if other.form.item_shape != form.item_shape:
            raise ValueError(
                f"task.{key}.classifier.run is {run}, which was trained on items of shape "
                f"{other.form.item_shape}; the data's are {form.item_shape}. Name a run on images "
                "of that size"
            )
        return other


def perceptual_distance(seen: Perceives, x: Tensor, truth: Tensor) -> Tensor:
    """The distance of images (B, C, H, W) from `truth`, (B,); gradients go to `x` alone."""
    with torch.no_grad():
        wanted = [_directions(one) for one in seen.feature_maps(truth)]
    given = [_directions(one) for one in seen.feature_maps(x)]
    layers = [
        (own - right).square().sum(1).flatten(1).mean(1)
        for own, right in zip(given, wanted, strict=True)
    ]
    return torch.stack(layers).sum(0)


def _directions(features: Tensor) -> Tensor:
    features = features.float()
    return features / (features.square().sum(1, keepdim=True) + LEAST_LENGTH**2).sqrt()
