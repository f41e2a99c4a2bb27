"""Frames of clips that are given: clean while the others are noise, and held while these are drawn.

Every frame has a noise level of its own, and a given one has none (as in Chen et al. 2024,
arXiv:2407.01392, with two levels). Which are given changes from clip to clip in training, so that
one model makes clips from nothing, goes on with the first frames, and fills in between any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.schedules import Coefficients, Schedule, expand
from noiseloom.errors import InputError
from noiseloom.seeds import Random
from noiseloom.tasks import Known


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Which of a clip's `frames` are given in training.

    None of them in a share `none`, and in a share `anywhere` each with a chance that is drawn for
    the clip; else the first ones, `first` of them or, where that is None, any number but all.
    """

    frames: int
    none: float
    anywhere: float
    first: int | None = None

    def drawn(self, random: Random) -> Tensor:
        """Booleans (items, 1, frames, 1, 1): which frames are given. Never all of them."""
        kind, amount = random.uniform("given", (2,)).unbind(1)
        places = torch.arange(self.frames)
        number = torch.full_like(amount, self.first or 0)
        if self.first is None:
            number = 1 + (amount * (self.frames - 1)).floor()
        first = places < number[:, None]
        some = random.uniform("given-frames", (self.frames,)) < amount[:, None]
        some &= ~some.all(dim=1, keepdim=True)
        kind = kind[:, None]
        is_given = torch.where(kind < self.none + self.anywhere, some, first) & (kind >= self.none)
        return is_given[:, None, :, None, None]

    def check_learned(self, frames: Sequence[int]) -> None:
        """InputError where training never gives these frames, and a model knows nothing of it."""
        if self.anywhere > 0:
            return
        if self.none == 1:
            raise InputError(
                "Frames are given, and this run has learned to make clips from nothing alone "
                "(task.none_given is 1). Ask for one without --given, or train a run with less"
            )
        are_first = list(frames) == list(range(len(frames)))
        if not are_first or self.first not in (None, len(frames)):
            which = "the first frames" if self.first is None else f"the first {self.first}"
            given = ", ".join(str(frame + 1) for frame in frames)
            raise InputError(
                f"Frames {given} are given, and this run has learned to go on with {which} alone "
                "(task.anywhere_given is 0). Give it these, or train a run with more"
            )


def times_of(t: Tensor, is_given: Tensor, schedule: Schedule) -> Tensor:
    """The time of each frame: `t` (B,), but none where it is given; of `is_given`'s shape."""
    own = expand(t, is_given).expand(is_given.shape)
    return torch.where(is_given, torch.full_like(own, schedule.t_min), own)


def left_out(
    is_given: Tensor, prediction: Prediction, x0: Tensor, noise: Tensor, at: Coefficients
) -> tuple[Prediction, Tensor, Tensor]:
    """Prediction and truth with nothing where frames are given: there is no error there.

    `at` are the coefficients of the items' own times, which hold for what is left.
    """
    output, xt, x0, noise = (
        part.masked_fill(is_given, 0.0) for part in (prediction.output, prediction.xt, x0, noise)
    )
    return replace(prediction, output=output, xt=xt, at=at), x0, noise


class Held:
    """A denoiser that is shown given frames as they are, and answers them as they are.

    So whatever a sampler does with the rest, it ends with these.
    """

    def __init__(self, model: Any, known: Known) -> None:
        self.model, self.known = model, known

    @property
    def schedule(self) -> Schedule:
        """The denoiser's own."""
        schedule: Schedule = self.model.schedule
        return schedule

    def __call__(self, xt: Tensor, t: Tensor, condition: Any = None, /) -> Prediction:
        """What it says; of a guided batch, which asks for items twice, either half is held."""
        again = len(xt) // len(self.known.items)
        known = self.known.items.repeat(again, *[1] * (xt.ndim - 1)).to(xt)
        is_given = self.known.is_given.to(xt.device)
        is_given = is_given.expand(len(xt), *is_given.shape[1:])
        times = times_of(t, is_given, self.schedule)
        said: Prediction = self.model(torch.where(is_given, known, xt), times, condition)
        x0 = torch.where(is_given, known, said.x0)
        return replace(said, output=x0, target="x0", xt=xt, at=self.schedule.at(t, like=xt))
