"""Generate images (or 2-D points, their smallest case), by class where the data has labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import (
    Denoise,
    Denoiser,
    Preconditioning,
    Statistics,
    check_preconditioning,
)
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.objectives import (
    OBJECTIVES,
    TIMES,
    LogitNormal,
    Objective,
    Times,
    VelocityLoss,
)
from noiseloom.diffusion.process import Target, add_noise, check_pairing
from noiseloom.diffusion.samplers import Step
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.schedules import SCHEDULES, RectifiedFlow, Schedule
from noiseloom.errors import InputError
from noiseloom.networks import Answer
from noiseloom.networks.embeddings import Condition
from noiseloom.seeds import Random
from noiseloom.tasks import Request, Task


@dataclass(frozen=True, kw_only=True)
class Config:
    """Diffusion on images: schedule, target, objective, and how samples are drawn."""

    answers: ClassVar[Answer] = "items"

    schedule: Schedule = option(
        help="alpha and sigma over t", choices=SCHEDULES, default_factory=RectifiedFlow
    )
    target: Target = option("x0", "what the network predicts")
    preconditioning: Preconditioning = option(
        "input", "input: unit-variance input; edm: also a skip round the network (target x0)"
    )
    objective: Objective = option(
        help="what is minimised", choices=OBJECTIVES, default_factory=VelocityLoss
    )
    times: Times = option(
        help="how often each t is trained on", choices=TIMES, default_factory=LogitNormal
    )
    label_dropout: float = option(0.1, "share of items trained without their label, for guidance")
    sampler: Sampling = option(help="how samples are drawn", default_factory=Sampling)
    guidance: ClassifierFree = option(
        help="how strongly labels are followed", default_factory=ClassifierFree
    )

    def __post_init__(self) -> None:
        check_pairing(self.target, self.schedule)
        check_preconditioning(self.preconditioning, self.target)
        self.sampler.check_fits(self.schedule)
        if not 0 <= self.label_dropout < 1:
            raise ValueError(f"label_dropout is {self.label_dropout}; allowed is 0 to below 1")
        if self.label_dropout == 0 and self.guidance.scale != 1:
            raise ValueError(
                f"guidance.scale is {self.guidance.scale} and label_dropout is 0: guidance needs a "
                "model that has also learned without labels. Set label_dropout, such as 0.1, or "
                "guidance.scale to 1"
            )

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "ImageGeneration":
        """The task on items of `form`, with a network of the config `network`, freshly initialised.

        `statistics` are those of the data as the model sees it.
        """
        denoiser = Denoiser(
            network.build(form.item_shape, len(form.class_names), form.told),
            self.schedule,
            target=self.target,
            preconditioning=self.preconditioning,
            statistics=statistics,
        )
        return ImageGeneration(self, denoiser, form)


class ImageGeneration:
    """The loss of a denoiser on items of a form, and sampling from it."""

    def __init__(self, config: Config, model: Denoiser, form: Form) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.num_classes = len(form.class_names)

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The objective of each item, (B,); in `training` items are augmented, labels dropped."""
        device = next(self.model.parameters()).device
        schedule = self.config.schedule
        x0 = self.form.to_model(batch.items).to(device)
        told = None
        if training:
            x0, told = self.form.augment(x0, random)
        noise = random.normal_like("noise", x0)
        t = self.config.times.sample(schedule, random).to(device)
        labels = None
        if self.num_classes and batch.labels is not None:
            labels = torch.from_numpy(np.array(batch.labels))
            if training:
                dropped = random.chance("label-dropout", self.config.label_dropout)
                labels = labels.masked_fill(dropped, self.num_classes)
            labels = labels.to(device)
        xt = add_noise(schedule, x0, noise, t)
        prediction = self.model(xt, t, Condition(labels, told), random if training else None)
        return self.config.objective.losses(prediction, x0, noise, t, schedule)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed objective and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    def noised(self, items: np.ndarray, t: float, random: Random) -> Tensor:
        """Stored items after the forward process up to `t` (held within the schedule's range)."""
        schedule = self.config.schedule
        x0 = self.form.to_model(items)
        time = torch.tensor(t).clamp(schedule.t_min, schedule.t_max)
        return add_noise(schedule, x0, random.normal_like("noise", x0), time)

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items."""
        sampler, _ = self._choose(request)
        return sampler.walk(self.denoise(request), self.start(random), self.config.schedule, random)

    def start(self, random: Random) -> Tensor:
        """Pure noise for `random`'s items, where samplers begin."""
        schedule = self.config.schedule
        spread = float(schedule.sigma(torch.tensor(schedule.t_max, dtype=torch.float64)))
        noise = random.normal("start", self.form.item_shape)
        return spread * noise.to(next(self.model.parameters()).device)

    def denoise(self, request: Request) -> Denoise:
        """The model with the labels and the guidance of `request` inside."""
        _, guidance = self._choose(request)
        if request.labels is None:
            return self.model
        labels = request.labels.to(next(self.model.parameters()).device)
        return guidance.wrap(self.model, labels, torch.full_like(labels, self.num_classes))

    def sampled(self, sampler: Sampling, guidance: ClassifierFree) -> "ImageGeneration":
        """The same model, sampled so; ValueError where `sampler` does not fit the schedule."""
        config = replace(self.config, sampler=sampler, guidance=guidance)
        return ImageGeneration(config, self.model, self.form)

    def describe(self, request: Request) -> dict[str, Any]:
        """Sampler, its plan and guidance that `request` comes to."""
        sampler, guidance = self._choose(request)
        described = sampler.describe()
        if (calls := sampler.calls(self.config.schedule)) is not None:
            described["network_calls"] = calls
        if self.num_classes:
            described |= {"guidance": guidance.scale, "guidance_interval": guidance.interval}
        return described

    def _choose(self, request: Request) -> tuple[Sampling, ClassifierFree]:
        """The request's wishes in place of the recipe's; InputError where they are impossible."""
        try:
            sampler = self.config.sampler.changed(
                name=request.sampler,
                steps=request.steps,
                spacing=request.spacing,
                tolerance=request.tolerance,
            )
            sampler.check_fits(self.config.schedule)
            guidance = self.config.guidance
            if request.guidance is not None:
                if request.guidance != 1 and not (self.num_classes and self.config.label_dropout):
                    raise ValueError(
                        "guidance needs a run trained both with labels and, now and then, without "
                        "(task.label_dropout); leave --guidance out for this one"
                    )
                guidance = replace(guidance, scale=request.guidance)
        except ValueError as error:
            raise InputError(str(error)) from error
        return sampler, guidance
