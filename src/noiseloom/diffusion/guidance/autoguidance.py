"""Autoguidance (Karras et al. 2024, arXiv:2406.02507, eq. 5): away from a worse self.

    x0 = x0_guide + scale (x0_model - x0_guide)

The guide makes the model's mistakes, only larger: an earlier checkpoint of the same run, or another
run that is smaller or has learned less. It needs no labels.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from noiseloom.config import Earlier, RunReference, option
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.guidance.guidance import Guidance, Guide, carried


@dataclass(frozen=True, kw_only=True)
class Autoguidance(Guidance):
    """How strongly, and when, samples are pushed away from what the guide would make."""

    needs_condition: ClassVar[bool] = False

    scale: float = option(2.0, "1 is off, above 1 goes further away from the guide")
    guide: Earlier | RunReference = option(
        help="the worse model that guides",
        choices={"earlier": Earlier, "run": RunReference},
        default_factory=Earlier,
    )

    def _both(
        self,
        denoiser: Guide,
        xt: Tensor,
        t: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        guide: Guide | None,
    ) -> tuple[Prediction, Tensor]:
        assert guide is not None  # `wrap` saw to it
        told = None if unconditional is None else condition
        plain = denoiser(xt, t, told)
        worse = guide(*carried(xt, t, denoiser.schedule, guide.schedule), told).x0
        return plain, worse + self.scale * (plain.x0 - worse)
