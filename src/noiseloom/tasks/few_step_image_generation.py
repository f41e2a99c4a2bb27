"""Generate images (or points) in one to four network calls, taught by a run that takes many.

The student has the teacher's network and starts from its weights. What it learns is in
`diffusion/distillation`; the teacher's guidance is learned with it, so that a step is one call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from noiseloom.config import RunReference, option
from noiseloom.data.forms import Batch, Form, ImageForm
from noiseloom.diffusion.denoiser import Denoise, Denoiser, Prediction, Statistics
from noiseloom.diffusion.distillation import (
    METHODS,
    Endpoints,
    Lesson,
    Method,
    Passed,
    energy_distances,
)
from noiseloom.diffusion.few_steps import FEW_STEP_SAMPLERS
from noiseloom.diffusion.samplers import Step, plan_times
from noiseloom.errors import InputError
from noiseloom.networks import Answer
from noiseloom.seeds import Random
from noiseloom.tasks import OnProgress, Request, Task
from noiseloom.tasks.filming import Filming
from noiseloom.tasks.generating import Generating, ImageGeneration
from noiseloom.tasks.paths import Paths
from noiseloom.tasks.unconditional_image_generation import Config as Teaching

STEPS = (1, 2, 4)  # halvings of one another, so that they share their times


@dataclass(frozen=True, kw_only=True)
class FewSteps:
    """How samples are drawn unless the command says otherwise."""

    steps: int = option(2, "network calls from noise to data: 1, 2 or 4")
    shift: float = option(1.0, "above 1: later calls are at noisier times, below 1: at cleaner")

    def __post_init__(self) -> None:
        if self.steps not in STEPS:
            raise ValueError(
                f"steps is {self.steps}; a distilled run is made for 1, 2 or 4. For others, use "
                "the run that taught it"
            )
        if not self.shift > 0:
            raise ValueError(f"shift is {self.shift}; allowed is above 0, 1 for even steps")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Few-step generation: who teaches, how, and in how many calls samples are drawn."""

    answers: ClassVar[Answer] = "items"

    teacher: RunReference = option(help="the trained run that teaches")
    guidance: float | None = option(
        None, "scale of the teacher's guidance that is learned; null: as its recipe has it"
    )
    method: Method = option(help="how it teaches", choices=METHODS, default_factory=Endpoints)
    sampler: FewSteps = option(help="how samples are drawn", default_factory=FewSteps)

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "FewStepGeneration":
        """The task on items of `form`, its student with the teacher's weights.

        Raises ValueError where the other run cannot teach this network on these items.
        """
        teacher = fitting_teacher(others["teacher"], form)
        student = teacher.config.denoiser(network, form, statistics)
        try:
            student.load_state_dict(teacher.model.state_dict())
        except RuntimeError as error:
            raise ValueError(
                "the student begins as its teacher, whose network is another. Give `network` as "
                "the teacher's recipe has it (noiseloom distill does)"
            ) from error
        return FewStepGeneration(self, student, form, teacher)


def check_teacher(config: object) -> None:
    """Raise ValueError where a run whose task has this config cannot teach."""
    if isinstance(config, Config):
        raise ValueError(
            "it is distilled itself, and a student of a student would learn its faults. Name the "
            f"run that it was distilled from, {config.teacher.run}"
        )
    if isinstance(config, Generating) and not isinstance(config, Teaching):
        what = "makes clips" if isinstance(config, Filming) else "draws by captions"
        raise ValueError(
            f"it {what}, and students learn to draw images and points alone, by class or from "
            "nothing. Name a run of the task unconditional-image-generation, or look for the best "
            "few steps of this one with noiseloom tune-sampler"
        )
    if not isinstance(config, Teaching):
        raise ValueError(
            "it draws no samples, so it has nothing to teach. Name a run of the task "
            "unconditional-image-generation"
        )
    if config.autoencoder is not None:
        raise ValueError(
            "it draws in the latents of an autoencoder, and students learn in the items "
            "themselves. Name a run without task.autoencoder"
        )


def fitting_teacher(other: Task, form: Form) -> ImageGeneration:
    """`other` as a teacher for items of `form`; ValueError where it can be none."""
    try:
        check_teacher(getattr(other, "config", None))
    except ValueError as error:
        raise ValueError(f"task.teacher cannot teach: {error}") from error
    assert isinstance(other, ImageGeneration)  # by its config
    known, asked = ((one.item_shape, one.class_names, one.told) for one in (other.form, form))
    if known != asked:
        raise ValueError(
            f"task.teacher knows {_items_in_words(other.form)}, and the data has "
            f"{_items_in_words(form)}. Distil on the data that the teacher was trained on"
        )
    return other


def _items_in_words(form: Form) -> str:
    classes = ", ".join(form.class_names) or "none"
    told = ", changed by data.augment" if form.told else ""
    return f"items of shape {form.item_shape} in the classes {classes}{told}"


class FewStepGeneration:
    """The loss of a student on items of a form, and sampling from it; `teacher` is frozen."""

    def __init__(
        self, config: Config, model: Denoiser, form: Form, teacher: ImageGeneration
    ) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.teacher = teacher
        self.paths: Paths | None = None

    @property
    def times(self) -> Tensor:
        """Every time at which a student is called, whatever its steps; float64, falling."""
        return plan_times(
            self.teacher.config.schedule, max(STEPS), shift=self.config.sampler.shift
        )[:-1]

    def prepare(self, folder: Path, on_progress: OnProgress) -> None:
        """Where the method learns from paths, have the teacher walk them, or read the kept ones."""
        if (plan := self.config.method.paths) is not None:
            self.paths = Paths.prepared(
                folder,
                self.teacher,
                self.times,
                num=plan.num,
                steps=plan.steps,
                guidance=self.config.guidance,
                on_progress=on_progress,
            )

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The method's loss of each item, (B,).

        Not in `training` it is the items' parts of the energy distance of one-call samples from
        them: the loss of a method says little of its samples, and nothing beside another's.
        """
        device = next(self.model.parameters()).device
        labels = None
        if self.form.class_names and batch.labels is not None:
            labels = torch.from_numpy(np.array(batch.labels)).to(device)
        x0 = self.form.to_model(batch.items, device)
        if not training:
            step = next(self.sample(Request(labels=labels, steps=1), random))
            return energy_distances(step.x0, x0)
        passed = None
        if self.config.method.paths is None:
            x0, _ = only_mirrored(self.form).augment(x0, random)
        else:
            if self.paths is None:
                raise ValueError("this method learns from paths; call prepare before training")
            points, x0, labels = self.paths.choose(random, device)
            passed = Passed(points, self.paths.times)
        return self.config.method.losses(self._lesson(x0, labels, random, passed))

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed loss and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    def _lesson(
        self, x0: Tensor, labels: Tensor | None, random: Random, passed: Passed | None
    ) -> Lesson:
        def student(xt: Tensor, t: Tensor) -> Prediction:
            return self.model(xt, t, labels, random)

        def push(xt: Tensor, t: Tensor) -> Tensor:
            return self._push(xt, t, labels)

        schedule, teacher = self.teacher.config.schedule, self._teacher_of(labels)
        return Lesson(x0, schedule, random, student, teacher, push, passed)

    def _teacher_of(self, labels: Tensor | None) -> Denoise:
        """The teacher with these labels and the guidance that is learned."""
        return self.teacher.walk(Request(labels=labels, guidance=self.config.guidance)).denoise

    @torch.no_grad()
    def _push(self, xt: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """What guidance adds to the teacher's x0; the teacher is asked only where it does."""
        push = torch.zeros_like(xt)
        low, high = self.teacher.config.guidance.interval
        inside = (low <= t) & (t <= high)
        is_guided = labels is not None or self.teacher.guide is not None
        if not is_guided or not bool(inside.any()):
            return push
        x, at = xt[inside], t[inside]
        asked = None if labels is None else labels[inside]
        guided = self._teacher_of(asked)(x, at)
        push[inside] = guided.x0 - self.teacher.model(x, at, asked).x0
        return push

    def noised(self, items: np.ndarray, t: float, random: Random) -> Tensor:
        """Stored items after the teacher's forward process up to `t`."""
        return self.teacher.noised(items, t, random)

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items, a call a step."""
        plan = self._plan(request)
        sampler = FEW_STEP_SAMPLERS[self.config.method.sampler]
        device = next(self.model.parameters()).device
        labels = None if request.labels is None else request.labels.to(device)

        def denoise(xt: Tensor, t: Tensor) -> Prediction:
            return self.model(xt, t, labels)

        start, schedule = self.teacher.start(random), self.teacher.config.schedule
        return sampler(denoise, start, plan, schedule, random)

    def _plan(self, request: Request) -> Tensor:
        """The times of `request`, float64, falling; InputError for what cannot be."""
        shift = self.config.sampler.shift
        return plan_times(self.teacher.config.schedule, self._choose(request), shift=shift)

    def describe(self, request: Request) -> dict[str, Any]:
        """Sampler and steps that `request` comes to."""
        steps = self._choose(request)
        sampler = self.config.method.sampler
        return {"sampler": sampler, "steps": steps, "shift": self.config.sampler.shift}

    def _choose(self, request: Request) -> int:
        """The number of steps; InputError for what a distilled run cannot do."""
        own = self.config.method.sampler
        if request.sampler not in (None, own):
            raise InputError(
                f"sampler '{request.sampler}' is asked for; a distilled run has learned to be "
                f"sampled by '{own}' alone. Leave --sampler out, or use the run that taught it"
            )
        if request.spacing is not None or request.tolerance is not None:
            asked = "a spacing" if request.spacing is not None else "a tolerance"
            raise InputError(
                f"{asked} is asked for; a distilled run has learned the times at which it is "
                "called. Leave it out, or use the run that taught it"
            )
        if request.guidance is not None:
            raise InputError(
                f"guidance {request.guidance:g} is asked for; a distilled run has learned its "
                "teacher's guidance and holds no other. Leave --guidance out, or distil its "
                f"teacher anew with task.guidance={request.guidance:g}"
            )
        if given := [name for name in request.given if name not in ("--steps", "--sampler")]:
            raise InputError(
                f"a distilled run has learned its teacher's guidance and holds no other; leave "
                f"{' and '.join(given)} out"
            )
        if request.steps is None:
            return self.config.sampler.steps
        try:
            return replace(self.config.sampler, steps=request.steps).steps
        except ValueError as error:
            raise InputError(str(error)) from error


def only_mirrored(form: Form) -> Form:
    """`form` whose training items are changed into none that samples must not look like."""
    return replace(form, augment_probability=0.0) if isinstance(form, ImageForm) else form
