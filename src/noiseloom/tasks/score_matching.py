"""Learn the score of points alone, without noise levels, and walk along it: for teaching."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import CLEAN_LEVEL, Statistics
from noiseloom.diffusion.samplers import Step
from noiseloom.diffusion.score_matching import langevin, sliced_score_matching
from noiseloom.errors import InputError
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.tasks import Request, Task


@dataclass(frozen=True, kw_only=True)
class Langevin:
    """How samples are drawn: a walk along the score, from a Gaussian as wide as the data."""

    steps: int = option(400, "moves of the walk")
    step_size: float = option(0.01, "of a move, in units of the data's variance")

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.step_size < 1:
            raise ValueError(
                f"steps {self.steps} and step_size {self.step_size} are given; allowed is steps of "
                "at least 1 and step_size above 0 and below 1"
            )


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sliced score matching on clean data: diffusion without its noise levels."""

    answers: ClassVar[Answer] = "items"

    sampler: Langevin = option(help="how samples are drawn", default_factory=Langevin)

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "ScoreMatching":
        """The task on items of `form`, with a network of the config `network`, freshly initialised.

        `statistics` are those of the data as the model sees it. Raises ValueError where items are
        augmented, which the network would have to be told.
        """
        if form.told:
            raise ValueError(
                "data.augment changes items, and task score-matching learns the density of what it "
                "is shown. Set data.augment=0"
            )
        core = network.build(form.item_shape, len(form.class_names))
        return ScoreMatching(self, ScoreModel(core, statistics), form)


class ScoreModel(nn.Module):
    """A network made into the score of standardised data, w = (x - mean) / std.

    It adds to the score of N(0, 1), so that an untrained one knows the data's mean and spread.
    """

    data_mean: Tensor
    data_std: Tensor

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("data_mean", statistics.mean)
        self.register_buffer("data_std", torch.tensor(statistics.std))

    def forward(self, w: Tensor, labels: Tensor | None, random: Random | None = None) -> Tensor:
        """∇ log p(w) of each item; with `random`, drop-out is on."""
        level = torch.full((len(w),), CLEAN_LEVEL, device=w.device)
        return self.network(w, level, labels, random).to(w.dtype) - w


class ScoreMatching:
    """The loss of a score on items of a form, and walks along it."""

    def __init__(self, config: Config, model: ScoreModel, form: Form) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.num_classes = len(form.class_names)

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The objective of each item per number, (B,); -1/2 where only mean and spread are known.

        It may fall without end, as densities do on data that fills no space.
        """
        device = next(self.model.parameters()).device
        x0 = self.form.to_model(batch.items, device)
        if training:
            x0, _ = self.form.augment(x0, random)
        w = (x0 - self.model.data_mean) / self.model.data_std
        labels = None
        if self.num_classes and batch.labels is not None:
            labels = torch.from_numpy(np.array(batch.labels)).to(device)
        signs = 2.0 * random.chance("direction", 0.5, w.shape[1:]).to(w) - 1.0
        scope = random if training else None
        losses = sliced_score_matching(lambda at: self.model(at, labels, scope), w, signs)
        return losses / w[0].numel()

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed objective and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk along the score for `random`'s items."""
        steps = self._steps(request)
        model = self.model
        device = model.data_mean.device
        labels = None if request.labels is None else request.labels.to(device)
        start = random.normal("start", self.form.item_shape).to(device)
        walk = langevin(
            lambda w: model(w, labels),
            start,
            steps=steps,
            step_size=self.config.sampler.step_size,
            random=random,
        )
        for step in walk:
            x = model.data_mean + model.data_std * step.x
            yield Step(step.index, step.t, x, x)

    def describe(self, request: Request) -> dict[str, Any]:
        """The walk that `request` comes to."""
        return {
            "sampler": "langevin",
            "steps": self._steps(request),
            "step_size": self.config.sampler.step_size,
        }

    def _steps(self, request: Request) -> int:
        """The moves asked for; InputError where something else is asked for."""
        if given := [name for name in request.given if name != "--steps"]:
            raise InputError(
                f"a run of task score-matching draws by Langevin's walk alone, unguided; leave "
                f"{' and '.join(given)} out"
            )
        if request.steps is None:
            return self.config.sampler.steps
        try:
            return replace(self.config.sampler, steps=request.steps).steps
        except ValueError as error:
            raise InputError(str(error)) from error
