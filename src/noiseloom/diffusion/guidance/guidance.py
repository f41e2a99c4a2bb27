"""What every guidance has: a scale, an interval of t, and the spread brought back.

The interval is that of Kynkäänniemi et al. 2024 (arXiv:2404.07724). Strong guidance widens x0; Lin
et al. 2023 (arXiv:2305.08891, eq. 14 to 16) bring its standard deviation back, here item by item:
    x0_rescaled = x0_guided std(x0_plain) / std(x0_guided)
    x0          = phi x0_rescaled + (1 - phi) x0_guided
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from noiseloom.config import option
from noiseloom.diffusion.denoiser import Denoise, Prediction
from noiseloom.diffusion.schedules import Coefficients, Schedule, expand


class Guide(Protocol):
    """The frozen model that guides another: a `Denoiser`, or a classifier that answers logits."""

    @property
    def schedule(self) -> Any:
        """Its `Schedule`; None where it reads clean data only, and guides nobody."""

    def __call__(self, xt: Tensor, t: Tensor, condition: Any = None, /) -> Any:
        """What it says of `xt` at `t`, a time in its own time; a classifier takes no condition."""


@dataclass(frozen=True, kw_only=True)
class Guidance(ABC):
    """How strongly, and when, samples are guided. Raises ValueError for what cannot be."""

    off: ClassVar[float] = 1.0  # the scale at which nothing changes
    needs_condition: ClassVar[bool] = True  # whether it says anything where no label is asked for
    needs_guide: ClassVar[bool] = True  # whether another model is needed

    scale: float = option(1.0, "1 is off, above 1 guides more strongly")
    interval: tuple[float, float] = option((0.0, 1.0), "from which to which t it is applied")
    rescale: float = option(0.0, "how far the spread of x0 is brought back: 0 not, 1 wholly")

    def __post_init__(self) -> None:
        low, high = self.interval
        if self.scale < 0:
            raise ValueError(
                f"the guidance scale is {self.scale}; allowed is 0 or more, {self.off:g} is off"
            )
        if not 0 <= low <= high <= 1:
            raise ValueError(f"the guidance interval is [{low}, {high}]; allowed is 0 to 1, rising")
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"the guidance rescale is {self.rescale}; allowed is 0 to 1, 0 is off")

    @property
    def needs_unconditional(self) -> bool:
        """Whether the model itself must know what is there without a label."""
        return False

    def wrap(
        self,
        denoiser: Guide,
        condition: Tensor | None,
        unconditional: Tensor | None = None,
        guide: Guide | None = None,
    ) -> Denoise:
        """A function (xt, t) -> Prediction; conditions have one entry per item.

        `unconditional` is the label that says nothing, or what is to be avoided; None where
        `denoiser` knows no labels and must not be told any. Without the condition or the guide
        that this kind needs, nothing is guided.
        """
        low, high = self.interval
        told = None if unconditional is None else condition
        idle = (
            self.scale == self.off
            or (self.needs_condition and condition is None)
            or (self.needs_guide and guide is None)
        )

        def denoise(xt: Tensor, t: Tensor) -> Prediction:
            inside = (low <= t) & (t <= high)
            if idle or not bool(inside.any()):
                return denoiser(xt, t, told)
            plain, guided = self._both(denoiser, xt, t, condition, unconditional, guide)
            if self.rescale:
                guided = rescaled(guided, plain.x0, self.rescale)
            x0 = torch.where(expand(inside, xt), guided, plain.x0)
            return replace(plain, output=x0, target="x0")

        return denoise

    @abstractmethod
    def _both(
        self,
        denoiser: Guide,
        xt: Tensor,
        t: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        guide: Guide | None,
    ) -> tuple[Prediction, Tensor]:
        """What the denoiser says, and x0 as it is guided."""


def gradient_of(of: Callable[[Tensor], Tensor], xt: Tensor) -> Tensor:
    """The gradient at `xt` of what `of` says of each item alone, whose graph ends here.

    Works where gradients are switched off, as samplers do, and leaves none switched on.
    """
    with torch.enable_grad():
        x = xt.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(of(x).sum(), x)
    return gradient


def ascend(x0: Tensor, gradient: Tensor, at: Coefficients, scale: float) -> Tensor:
    """`x0` where `scale` times the gradient of a log-density is added to its score.

    By score = (alpha x0 - xt) / sigma². Of pure noise (alpha = 0) nothing can be read: there a
    gradient is nothing but rounding, and x0 stays as it is.
    """
    push = torch.where(at.alpha > 0, at.sigma**2 / at.alpha.clamp(min=1e-12) * gradient, 0.0)
    return x0 + scale * push


def rescaled(guided: Tensor, plain: Tensor, phi: float) -> Tensor:
    """`guided` with each item's standard deviation brought back to `plain`'s by the share phi."""
    axes = tuple(range(1, guided.ndim))
    ratio = plain.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp(min=1e-12)
    return guided * (phi * ratio + (1 - phi))


def carried(xt: Tensor, t: Tensor, source: Schedule, target: Schedule) -> tuple[Tensor, Tensor]:
    """`xt` at `t` of `source` as `target` has it: its time of the same log-SNR, and xt in its size.

    Beyond the range of `target` its nearest time is taken. Differentiable in `xt`.
    """
    if source == target:
        return xt, t
    log_snr = source.log_snr(t.double()).clamp(-60, 60)
    time = target.t_of_log_snr(log_snr).clamp(target.t_min, target.t_max).to(t.dtype)
    here, there = source.at(t, like=xt), target.at(time, like=xt)
    size = (there.alpha**2 + there.sigma**2) / (here.alpha**2 + here.sigma**2)
    return size.sqrt() * xt, time
