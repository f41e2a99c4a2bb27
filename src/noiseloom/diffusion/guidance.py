"""Guidance wraps a denoiser and its condition into what samplers call.

Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) in this project's convention:
    x0 = x0_unconditional + scale (x0_conditional - x0_unconditional)
so scale 1 is off. It is applied only within an interval of t (Kynkäänniemi et al. 2024,
arXiv:2404.07724); outside it the conditional prediction stands, at half the cost.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Denoise, Denoiser, Prediction
from noiseloom.diffusion.schedules import expand


@dataclass(frozen=True, kw_only=True)
class ClassifierFree:
    """How strongly, and when, samples are pushed towards their condition."""

    scale: float = option(1.0, "1 is off, above 1 follows the condition more closely")
    interval: tuple[float, float] = option((0.0, 1.0), "from which to which t it is applied")

    def __post_init__(self) -> None:
        low, high = self.interval
        if self.scale < 0:
            raise ValueError(f"the guidance scale is {self.scale}; allowed is 0 or more, 1 is off")
        if not 0 <= low <= high <= 1:
            raise ValueError(f"the guidance interval is [{low}, {high}]; allowed is 0 to 1, rising")

    def wrap(self, denoiser: Denoiser, condition: Tensor, unconditional: Tensor) -> Denoise:
        """A function (xt, t) -> Prediction; both conditions have one entry per item."""
        low, high = self.interval

        def denoise(xt: Tensor, t: Tensor) -> Prediction:
            inside = (low <= t) & (t <= high)
            if self.scale == 1 or not bool(inside.any()):
                return denoiser(xt, t, condition)
            both = denoiser(
                torch.cat([xt, xt]), torch.cat([t, t]), torch.cat([condition, unconditional])
            )
            conditional, plain = both.x0.chunk(2)
            scale = expand(torch.where(inside, self.scale, 1.0).to(xt.dtype), xt)
            x0 = plain + scale * (conditional - plain)
            place = both.interpolation
            return Prediction(
                x0,
                "x0",
                xt,
                denoiser.schedule.at(t, like=xt),
                both.data_std,
                interpolation=None if place is None else place.chunk(2)[0],
            )

        return denoise
