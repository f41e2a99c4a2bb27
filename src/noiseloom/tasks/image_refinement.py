"""Make more of what another run draws: of its samples, or of the last part of their way.

A refiner is made for one base, a run that draws images, and draws that one's samples, refined; so
it is sampled and measured like every run that draws. `noiseloom sample BASE --refine REFINER` does
the same from the base's side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from noiseloom.config import RunReference, option
from noiseloom.data.forms import Form
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks import Answer
from noiseloom.tasks import Task
from noiseloom.tasks.discriminator import Discriminating, DiscriminatorRefinement
from noiseloom.tasks.low_noise import LowNoise, LowNoiseRefinement
from noiseloom.tasks.remasked import Remasking, RemaskingRefinement

Kind = LowNoise | Remasking | Discriminating

KINDS: dict[str, type[Kind]] = {
    "low-noise": LowNoise,
    "remasking": Remasking,
    "discriminator": Discriminating,
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Refining: whose samples, and how."""

    answers: ClassVar[Answer] = "items"

    base: RunReference = option(help="the trained run whose samples are refined")
    kind: Kind = option(help="how they are", choices=KINDS, default_factory=LowNoise)

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> LowNoiseRefinement | RemaskingRefinement | DiscriminatorRefinement:
        """The task on items of `form`, with a network of the config `network`, freshly initialised.

        Raises ValueError where the other run is no base for it.
        """
        return self.kind.build(network, form, statistics, others["base"], self.base.run)
