"""Read the class of an image, clean or, where it was trained so, noisy.

A classifier of xt that is told the noise level is what classifier guidance follows (Dhariwal &
Nichol 2021, arXiv:2105.05233, part 4): grad log p(class | xt) points to where the class is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import CLEAN_LEVEL, Statistics, noise_level
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.schedules import SCHEDULES, RectifiedFlow, Schedule
from noiseloom.diffusion.times import TIMES, LogitNormal, Times
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.tasks import Task
from noiseloom.tasks.classification import SmoothedLabels


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise added to training images, so that noisy ones are read too."""

    schedule: Schedule = option(
        help="alpha and sigma over t", choices=SCHEDULES, default_factory=RectifiedFlow
    )
    times: Times = option(
        help="how often each t is trained on", choices=TIMES, default_factory=LogitNormal
    )


@dataclass(frozen=True, kw_only=True)
class Config(SmoothedLabels):
    """Classification of images by cross entropy."""

    answers: ClassVar[Answer] = "classes"

    noise: Noise | None = option(None, "noise added in training, to read xt at any t; null: none")

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "ImageClassification":
        """The task on items of `form`, with a network of the config `network`, freshly initialised.

        `statistics` are those of the data as the model sees it. Raises ValueError where there are
        fewer than two classes.
        """
        if len(form.class_names) < 2:
            has = f"one class, '{form.class_names[0]}'" if form.class_names else "no labels"
            raise ValueError(
                f"task image-classification tells classes apart, and the data has {has}. Give it "
                "data of at least two classes, such as a folder with one sub-folder a class"
            )
        if form.told:
            raise ValueError(
                "data.augment turns and mirrors images, which may change their class, and is above "
                "0. Set data.augment=0; data.flip=true mirrors left-right only"
            )
        core = network.build(form.item_shape, len(form.class_names))
        schedule = None if self.noise is None else self.noise.schedule
        return ImageClassification(self, Classifier(core, schedule, statistics), form)


class Classifier(nn.Module):
    """`network(x, level, condition, random)` made into a classifier of xt.

    The network sees xt with unit variance, and the noise level, as it does in a `Denoiser`.
    """

    data_mean: Tensor
    data_std: Tensor

    def __init__(
        self, network: nn.Module, schedule: Schedule | None, statistics: Statistics
    ) -> None:
        super().__init__()
        self.network = network
        self.schedule = schedule
        self.register_buffer("data_mean", statistics.mean)
        self.register_buffer("data_std", torch.tensor(statistics.std))

    def forward(self, xt: Tensor, t: Tensor | None = None, random: Random | None = None) -> Tensor:
        """Logits (B, classes) of `xt` at `t` (B,), or of clean data where `t` is None.

        With `random`, drop-out is on. Raises ValueError for a `t` where there is no schedule.
        """
        if t is None:
            return self.network(*self._clean(xt), None, random)
        if self.schedule is None:
            raise ValueError(
                "a classifier of clean images was given times; train one with task.noise to read "
                "noisy images"
            )
        s = self.data_std.to(xt.dtype)
        at = self.schedule.at(t, like=xt)
        centred = xt - at.alpha * self.data_mean
        scaled = centred * (at.alpha**2 * s**2 + at.sigma**2).rsqrt()
        return self.network(scaled, noise_level(self.schedule, t), None, random)

    def maps(self, x: Tensor) -> Sequence[Tensor]:
        """What the network's hidden layers leave of clean data, finest first."""
        network: Any = self.network
        maps: Sequence[Tensor] = network.maps(*self._clean(x))
        return maps

    def _clean(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Data as the network sees it, and the noise level it is told."""
        level = torch.full((len(x),), CLEAN_LEVEL, device=x.device)
        return (x - self.data_mean) / self.data_std.to(x.dtype), level


class ImageClassification:
    """The loss of a classifier on items of a form, and what it reads in others."""

    def __init__(self, config: Config, model: Classifier, form: Form) -> None:
        self.config = config
        self.model = model
        self.form = form

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Cross entropy of each item, nats, (B,); labels are smoothed only in `training`."""
        device = next(self.model.parameters()).device
        x = self.form.to_model(batch.items, device)
        if training:
            x, _ = self.form.augment(x, random)
        t = None
        if self.config.noise is not None:
            schedule = self.config.noise.schedule
            t = self.config.noise.times.sample(schedule, random).to(device)
            x = add_noise(schedule, x, random.normal_like("noise", x), t)
        logits = self.model(x, t, random if training else None).float()
        labels = torch.from_numpy(np.array(batch.labels)).to(device)
        smoothing = self.config.label_smoothing if training else 0.0
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    @torch.no_grad()
    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""
        device = next(self.model.parameters()).device
        return self.model(self.form.to_model(items, device)).float().cpu()

    def feature_maps(self, x: Tensor) -> Sequence[Tensor]:
        """Hidden maps of clean images, for a perceptual distance; gradients pass through."""
        return self.model.maps(x)
