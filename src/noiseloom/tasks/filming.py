"""What every task has that makes clips: some of their frames may be given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from noiseloom.config import RunReference, option
from noiseloom.data.forms import Form, VideoForm
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.diffusion.guidance import Guidance
from noiseloom.diffusion.sampling import Sampling
from noiseloom.tasks import Request, Task
from noiseloom.tasks.beginning import begin_as
from noiseloom.tasks.generating import Generating, ImageGeneration
from noiseloom.tasks.holding import Holding


@dataclass(frozen=True, kw_only=True)
class Filming(Generating):
    """Diffusion on clips: how often, and which, of their frames are given."""

    none_given: float = option(0.2, "share of clips trained without a given frame")
    anywhere_given: float = option(
        0.2, "share of clips trained with given frames anywhere; of the others the first are given"
    )
    first_given: int | None = option(None, "how many first ones; null: any number")
    given_sampler: Sampling | None = option(
        None, "how samples that go on with given frames are drawn; null: as all are"
    )
    begins_as: RunReference | None = option(
        None, "a run that draws images like the frames, whose weights the network begins with"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.given_sampler is not None:
            self.given_sampler.check_fits(self.schedule)
        shares = (self.none_given, self.anywhere_given)
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(
                f"none_given {shares[0]:g} and anywhere_given {shares[1]:g} are given; allowed is "
                "0 or more each, and together at most 1"
            )
        if self.first_given is not None and self.first_given < 1:
            raise ValueError(f"first_given is {self.first_given}; allowed is 1 or more, or null")
        if self.learned_variance or self.objective.learns_variance:
            raise ValueError(
                "learned_variance and the objectives variational and hybrid know one noise level "
                "for an item, and frames of a clip have levels of their own. Leave them out"
            )
        if self.autoencoder is not None:
            raise ValueError(
                "autoencoder names a run that packs images, and the data is clips; leave it out"
            )

    def sampler_for(self, request: Request) -> Sampling:
        """See `Generating.sampler_for`: what comes after given frames leaves little to chance."""
        if request.known is not None and self.given_sampler is not None:
            return self.given_sampler
        return self.sampler

    def sampled(self, sampler: Sampling, guidance: Guidance) -> Self:
        """See `Generating.sampled`."""
        return replace(super().sampled(sampler, guidance), given_sampler=None)

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> ImageGeneration:
        """See `Generating.build`; ValueError too where `begins_as` cannot be begun as."""
        task = super().build(network, form, statistics, others)
        if self.begins_as is not None:
            begin_as(task, others["begins_as"], self.begins_as.run)
        return task

    def holding(self, form: Form) -> Holding:
        """See `Generating.holding`."""
        if not isinstance(form, VideoForm):
            raise ValueError(
                "the data holds no clips. Use data video or moving-digits, or task "
                "unconditional-image-generation"
            )
        if self.first_given is not None and self.first_given >= form.frames:
            raise ValueError(
                f"task.first_given is {self.first_given}, and clips have {form.frames} frames; at "
                "least one must be left to be made"
            )
        return Holding(
            frames=form.frames,
            none=self.none_given,
            anywhere=self.anywhere_given,
            first=self.first_given,
        )
