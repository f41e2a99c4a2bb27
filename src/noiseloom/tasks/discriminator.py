"""Refining by a discriminator: what tells a base's samples from real items leads it to these.

After Kim et al. 2022 (arXiv:2211.17091). The samples are drawn once, by the base as its recipe
guides it; samples and real items are noised alike, and the network learns to tell them apart at
every t of an interval. While the base walks, the gradient of what it has learned corrects what the
base says (`diffusion/correction`). Base and sampler stay what they are, so the walk keeps its plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.correction import Corrected
from noiseloom.diffusion.denoiser import Denoiser, Statistics
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.samplers import Step
from noiseloom.diffusion.schedules import Schedule
from noiseloom.diffusion.times import Between
from noiseloom.networks.embeddings import Condition
from noiseloom.seeds import Random
from noiseloom.tasks import OnProgress, Request, Task, Walk
from noiseloom.tasks.bases import Refining, fitting_base
from noiseloom.tasks.few_step_image_generation import only_mirrored
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.own_samples import OwnSamples


@dataclass(frozen=True, kw_only=True)
class Discriminating:
    """The base's own walk, corrected by what tells its samples from real items."""

    num: int = option(5_000, "samples of the base that are told from real items; drawn once")
    steps: int | None = option(
        None, "moves in which these are drawn; null: as the base's recipe has it"
    )
    scale: float = option(1.0, "of the correction: 0 is off, 1 as it was learned")
    interval: tuple[float, float] = option(
        (0.0, 0.8), "from which to which t it is learned, and corrects"
    )

    def __post_init__(self) -> None:
        low, high = self.interval
        if self.num < 1:
            raise ValueError(f"num is {self.num}; allowed is 1 or more")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}; allowed is 1 or more, or null")
        if not self.scale >= 0:
            raise ValueError(f"scale is {self.scale}; allowed is 0 or more, 0 is off")
        if not 0 <= low < high <= 1:
            raise ValueError(f"interval is [{low}, {high}]; allowed is 0 to 1, rising")

    def build(
        self, network: Any, form: Form, statistics: Statistics, base: Task, name: str
    ) -> DiscriminatorRefinement:
        """The task on items of `form`; `base` is the frozen run called `name`.

        Raises ValueError where that is no base for it.
        """
        refined = fitting_base(base, form)
        if form.captions is not None:
            raise ValueError(
                "kind discriminator draws its base's samples by class, and this base draws what "
                "captions say. Use kind low-noise"
            )
        seen = only_mirrored(form)
        core = refined.config.asking(seen).network(network, seen, 1)
        model = Discriminator(core, refined.config.schedule, statistics)
        return DiscriminatorRefinement(self, model, form, refined, name)


class Discriminator(nn.Module):
    """A denoising network asked how much likelier xt is real than drawn, in log: log D / (1 - D).

    It is shown xt, and told the noise, as by every `Denoiser`; the mean of what it says of all
    numbers is the answer.
    """

    def __init__(self, network: nn.Module, schedule: Schedule, statistics: Statistics) -> None:
        super().__init__()
        self.asked = Denoiser(network, schedule, target="x0", statistics=statistics)

    def forward(
        self, xt: Tensor, t: Tensor, labels: Tensor | None, random: Random | None = None
    ) -> Tensor:
        """The log of the ratio, (B,) float32; with `random`, drop-out is on."""
        said: Tensor = self.asked(xt, t, Condition(labels), random).output
        return said.float().flatten(1).mean(dim=1)


class DiscriminatorRefinement(Refining):
    """The loss of a discriminator, and samples of `base` that it corrects on their way."""

    def __init__(
        self,
        config: Discriminating,
        model: Discriminator,
        form: Form,
        base: ImageGeneration,
        name: str,
    ) -> None:
        super().__init__(base, name)
        self.config = config
        self.model = model
        self.form = form
        self.times = Between(lowest=config.interval[0], highest=config.interval[1])
        self.drawn: OwnSamples | None = None

    @property
    def learned_unlabelled(self) -> bool:
        """See `Walks`."""
        return self.base.learned_unlabelled

    def prepare(self, folder: Path, on_progress: OnProgress) -> None:
        """Have the base draw the samples that are told from real items, or read the kept ones."""
        self.drawn = OwnSamples.prepared(
            folder,
            self.made_for,
            num=self.config.num,
            steps=self.config.steps,
            on_progress=on_progress,
        )

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """Cross entropy of a real item and a sample at one t, the mean of both, nats, (B,).

        Where the two cannot be told apart it is log 2.
        """
        if self.drawn is None:
            raise ValueError("this kind learns from its base's samples; call prepare before")
        schedule = self.made_for.config.schedule
        t = self.times.sample(schedule, random)
        real = self._told(batch, t, random.under("real/"), training=training)
        own = Batch(*self.drawn.choose(random))
        drawn = self._told(own, t, random.under("drawn/"), training=training)
        return (F.softplus(-real) + F.softplus(drawn)) / 2

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed cross entropy and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    def _told(self, batch: Batch, t: Tensor, random: Random, *, training: bool) -> Tensor:
        """What the discriminator says of items noised up to `t`."""
        device = next(self.model.parameters()).device
        x0, time = self.form.to_model(batch.items, device), t.to(device)
        if training:
            x0, _ = only_mirrored(self.form).augment(x0, random)
        schedule = self.made_for.config.schedule
        xt = add_noise(schedule, x0, random.normal_like("noise", x0), time)
        labels = self.made_for.asking.given(batch, random, training=training)
        if labels is not None:
            labels = labels.to(device)
        return self.model(xt, time, labels, random if training else None)

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items, corrected."""
        walk = self.walk(request)
        return walk.sampler(walk.denoise, self.base.start(random), walk.plan, walk.schedule, random)

    def walk(self, request: Request) -> Walk:
        """The base's walk, corrected in the interval."""
        walk = self.base.walk(request)
        labels = request.labels
        if labels is not None:
            labels = labels.to(next(self.model.parameters()).device)

        def log_ratio(xt: Tensor, t: Tensor) -> Tensor:
            return self.model(xt, t, labels)

        corrected = Corrected(
            walk.denoise, log_ratio, walk.schedule, self.config.scale, self.config.interval
        )
        return replace(walk, denoise=corrected)

    def describe(self, request: Request) -> dict[str, Any]:
        """What the base says of itself, and how it is corrected.

        In the interval each of its calls costs one of the discriminator, forth and back, too.
        """
        return self.base.describe(request) | {
            "refined_by": "discriminator",
            "correction": self.config.scale,
            "correction_interval": self.config.interval,
        }
