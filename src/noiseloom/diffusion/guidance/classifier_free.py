"""Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598), in this project's convention:

    x0 = x0_unconditional + scale (x0_conditional - x0_unconditional)

so scale 1 is off. With a negative label in the place of none, samples are pushed away from it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.guidance.guidance import Guidance, Guide


@dataclass(frozen=True, kw_only=True)
class ClassifierFree(Guidance):
    """How strongly, and when, samples are pushed towards their condition."""

    needs_guide: ClassVar[bool] = False

    scale: float = option(1.0, "1 is off, above 1 follows the condition more closely")

    @property
    def needs_unconditional(self) -> bool:
        """See `Guidance.needs_unconditional`."""
        return self.scale != self.off

    def _both(
        self,
        denoiser: Guide,
        xt: Tensor,
        t: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        guide: Guide | None,
    ) -> tuple[Prediction, Tensor]:
        if condition is None or unconditional is None:
            raise ValueError(
                "classifier-free guidance compares a label with none, and one of the two is not "
                "given. Give both conditions, or leave guidance out"
            )
        both = denoiser(
            torch.cat([xt, xt]), torch.cat([t, t]), torch.cat([condition, unconditional])
        )
        conditional, without = both.x0.chunk(2)
        plain = Prediction(
            conditional,
            "x0",
            xt,
            denoiser.schedule.at(t, like=xt),
            both.data_std,
            both.levels,
            None if both.interpolation is None else both.interpolation.chunk(2)[0],
        )
        return plain, without + self.scale * (conditional - without)
