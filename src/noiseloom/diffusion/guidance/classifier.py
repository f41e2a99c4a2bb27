"""Classifier guidance (Dhariwal & Nichol 2021, arXiv:2105.05233, part 4): towards a class.

By Bayes' rule grad log p(xt | class) = grad log p(xt) + grad log p(class | xt); in terms of x0,
with score = (alpha x0 - xt) / sigma²:
    x0 = x0_plain + scale sigma² / alpha grad log p(class | xt)
Scale 0 is off, and 1 turns a model without labels into the conditional one. The classifier must
have learned to read noisy images; its schedule may be another one.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from noiseloom.config import RunReference, option
from noiseloom.diffusion.denoiser import Prediction
from noiseloom.diffusion.guidance.guidance import (
    Guidance,
    Guide,
    ascend,
    carried,
    gradient_of,
)
from noiseloom.diffusion.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class ClassifierGuidance(Guidance):
    """How strongly, and when, samples are pushed to where a classifier sees their class."""

    off: ClassVar[float] = 0.0

    scale: float = option(1.0, "0 is off, 1 is Bayes' rule, above 1 follows the class more closely")
    guide: RunReference = option(help="a run of a classifier trained with task.noise")

    def _both(
        self,
        denoiser: Guide,
        xt: Tensor,
        t: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        guide: Guide | None,
    ) -> tuple[Prediction, Tensor]:
        assert condition is not None and guide is not None  # `wrap` saw to it
        plain = denoiser(xt, t, None if unconditional is None else condition)
        at = denoiser.schedule.at(t, like=xt)
        gradient = class_gradient(guide, denoiser.schedule, xt, t, condition)
        return plain, ascend(plain.x0, gradient, at, self.scale)


def class_gradient(
    classifier: Guide, schedule: Schedule, xt: Tensor, t: Tensor, labels: Tensor
) -> Tensor:
    """The gradient of log p(label | xt) at `xt`, `t` of `schedule`, as by `gradient_of`."""

    def chosen(x: Tensor) -> Tensor:
        logits: Tensor = classifier(*carried(x, t, schedule, classifier.schedule))
        return logits.log_softmax(dim=1).gather(1, labels[:, None])

    return gradient_of(chosen, xt)
