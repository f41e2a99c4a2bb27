"""Refining by an expert in little noise: it takes over from the base on the way to the sample.

After Balaji et al. 2022 (arXiv:2211.01324, section 4.1). The expert is trained as its base was, on
the last part of the noise range alone, and may have another network: smaller patches, say, which
would be too slow for the whole way.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from torch import Tensor

from noiseloom.config import option
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.relay import Relay, check_begins, relayed_plan
from noiseloom.diffusion.samplers import Step, Tolerance
from noiseloom.diffusion.sampling import calls_of
from noiseloom.diffusion.times import Between
from noiseloom.seeds import Random
from noiseloom.tasks import Request, Task, Walk
from noiseloom.tasks.bases import Refining, fitting_base
from noiseloom.tasks.generating import ImageGeneration


@dataclass(frozen=True, kw_only=True)
class LowNoise:
    """A denoiser of the last part of the noise range, trained as the base's recipe says."""

    begins: float = option(0.5, "t at which it takes over from the base; 1 is noise, 0 is data")
    steps: int | None = option(
        2, "moves from there to the sample; null: those that the base would have made"
    )
    as_base: bool = option(
        False, "it begins with the base's weights; `network` must then be the base's"
    )

    def __post_init__(self) -> None:
        if not 0 < self.begins <= 1:
            raise ValueError(f"begins is {self.begins}; allowed is above 0, up to 1")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}; allowed is 1 or more, or null")

    def build(
        self, network: Any, form: Form, statistics: Statistics, base: Task, name: str
    ) -> LowNoiseRefinement:
        """The task on items of `form`; `base` is the frozen run called `name`.

        Raises ValueError where that is no base for it.
        """
        refined = fitting_base(base, form)
        guidance = refined.config.guidance
        config = replace(
            refined.config,
            times=Between(highest=self.begins),
            guidance=ClassifierFree() if guidance.needs_guide else guidance,
        )
        model = config.denoiser(network, form, statistics)
        if self.as_base:
            try:
                model.load_state_dict(refined.model.state_dict())
            except RuntimeError as error:
                raise ValueError(
                    "the refiner is to begin as its base, whose network is another. Give `network` "
                    "as the base's recipe has it, or set task.kind.as_base to false"
                ) from error
        return LowNoiseRefinement(self, ImageGeneration(config, model, form), refined, name)


class LowNoiseRefinement(Refining):
    """The loss of the expert, and samples that `base` begins and it ends.

    `base` is guided as it is, the expert by labels or captions alone.
    """

    def __init__(
        self, config: LowNoise, expert: ImageGeneration, base: ImageGeneration, name: str
    ) -> None:
        check_begins(config.begins, base.config.schedule)
        super().__init__(base, name)
        self.config = config
        self.expert = expert
        self.model = expert.model
        self.form = expert.form

    @property
    def learned_unlabelled(self) -> bool:
        """See `Walks`."""
        return self.base.learned_unlabelled

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The base's objective of each item, (B,), at the expert's times."""
        return self.expert.losses(batch, random, training=training)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed objective and the number of items."""
        return self.expert.loss(batch, random)

    def noised(self, items: np.ndarray, t: float, random: Random) -> Tensor:
        """Stored items after the forward process up to `t`, of any part of the range."""
        return self.expert.noised(items, t, random)

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items: the base, then the expert."""
        walk = self.walk(request)
        return walk.sampler(walk.denoise, self.base.start(random), walk.plan, walk.schedule, random)

    def walk(self, request: Request) -> Walk:
        """The base's walk, in which the expert is asked from `begins` on."""
        walk = self.base.walk(request)
        own = replace(request, steps=None, sampler=None, spacing=None, tolerance=None)
        if self.base.guidance.needs_guide:  # what is asked of a guide is nothing to the expert
            own = Request(labels=request.labels)
        denoise = Relay(walk.denoise, self.expert.walk(own).denoise, self.config.begins)
        plan = walk.plan
        if not isinstance(plan, Tolerance):
            plan = relayed_plan(plan, self.config.begins, walk.schedule, self.config.steps)
        return replace(walk, denoise=denoise, plan=plan)

    def without_expert(self) -> Self:
        """The base alone, at the moves of the refined walk: what these are worth by themselves."""
        alone = copy(self)
        alone.expert = self.base
        return alone

    def describe(self, request: Request) -> dict[str, Any]:
        """What the base says of itself, with where the expert takes over and what that costs."""
        described = self.base.describe(request)
        walk = self.walk(request)
        calls = calls_of(walk.sampler, walk.plan, walk.schedule)
        if calls is not None:
            described["network_calls"] = calls
        described["refined_by"] = "low-noise"
        described["refined_from"] = self.config.begins
        if calls is not None:
            described["refining_steps"] = int((walk.times <= self.config.begins).sum()) - 1
        return described
