"""What every task has that draws by diffusion: its settings, its loss, and its way of a sample.

What samples may be asked for, by class or in words, is apart from it: `asking`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from noiseloom.config import RunReference, option, word_of
from noiseloom.data.buckets import in_words
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import (
    MOST_LOG_SNR,
    Denoiser,
    Preconditioning,
    Statistics,
    check_preconditioning,
)
from noiseloom.diffusion.guidance import GUIDANCE, ClassifierFree, Guidance
from noiseloom.diffusion.levels import Levels
from noiseloom.diffusion.likelihood import Judged
from noiseloom.diffusion.objectives import (
    OBJECTIVES,
    Hybrid,
    Objective,
    Variational,
    VelocityLoss,
)
from noiseloom.diffusion.process import Target, add_noise, check_pairing
from noiseloom.diffusion.samplers import Step
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.schedules import SCHEDULES, RectifiedFlow, Schedule
from noiseloom.diffusion.times import HIGHEST_LOG_SNR, TIMES, LogitNormal, Times
from noiseloom.diffusion.uncertainty import weigh
from noiseloom.errors import InputError
from noiseloom.networks import Answer
from noiseloom.networks.embeddings import Condition
from noiseloom.seeds import Random
from noiseloom.tasks import Known, Request, Task, Walk
from noiseloom.tasks.asking import Asking
from noiseloom.tasks.guides import fitting_guide, guide_words
from noiseloom.tasks.holding import Held, Holding, left_out, times_of
from noiseloom.tasks.latent_form import latents_of


@dataclass(frozen=True, kw_only=True)
class Generating(ABC):
    """Diffusion: schedule, target, objective, and how samples are drawn."""

    answers: ClassVar[Answer] = "items"
    dropout: ClassVar[str]
    """The field that says how often items are trained without what they may be asked by."""
    takes_prompts: ClassVar[bool] = False
    """Whether samples are asked for in words."""
    takes_sizes: ClassVar[bool] = True
    """Whether items may be of several sizes, those of a batch of one."""

    schedule: Schedule = option(
        help="alpha and sigma over t", choices=SCHEDULES, default_factory=RectifiedFlow
    )
    target: Target = option("x0", "what the network predicts")
    preconditioning: Preconditioning = option(
        "input", "input: unit-variance input; edm: also a skip round the network (target x0)"
    )
    objective: Objective = option(
        help="what is minimised", choices=OBJECTIVES, default_factory=VelocityLoss
    )
    times: Times = option(
        help="how often each t is trained on", choices=TIMES, default_factory=LogitNormal
    )
    autoencoder: RunReference | None = option(
        None, "an image-reconstruction run, to draw in its latents; null: in the items themselves"
    )
    sampler: Sampling = option(help="how samples are drawn", default_factory=Sampling)
    guidance: Guidance = option(
        help="what samples are pushed towards, and how strongly",
        choices=GUIDANCE,
        default_factory=ClassifierFree,
    )

    learned_variance: bool = option(
        False, "the network also says how far a step may stray (objective variational or hybrid)"
    )
    uncertainty: bool = option(
        False, "the loss to be expected at each noise level is learned, and divides the objective"
    )

    told_log_snr: float = option(
        MOST_LOG_SNR, "log-SNR of either sign beyond which the network is told no difference"
    )

    def __post_init__(self) -> None:
        check_pairing(self.target, self.schedule)
        check_preconditioning(self.preconditioning, self.target)
        self.sampler.check_fits(self.schedule)
        if self.learned_variance and not self.objective.learns_variance:
            fitting = [word for word, kind in OBJECTIVES.items() if kind.learns_variance]
            raise ValueError(
                "learned_variance is true, and the objective never looks at the variance: nothing "
                f"would train it. Use objective {' or '.join(fitting)}, or set learned_variance to "
                "false"
            )
        if not self.told_log_snr > 0:
            raise ValueError(f"told_log_snr is {self.told_log_snr}; allowed is above 0")
        dropout, name = getattr(self, self.dropout), self.dropout
        if not 0 <= dropout < 1:
            raise ValueError(f"{name} is {dropout}; allowed is 0 to below 1")
        if dropout == 0 and self.guidance.needs_unconditional:
            raise ValueError(
                f"guidance.scale is {self.guidance.scale} and {name} is 0: guidance needs a model "
                f"that has also learned without {name.removesuffix('_dropout')}s. Set {name}, such "
                "as 0.1, or guidance.scale to 1"
            )

    def view(self, form: Form, others: Mapping[str, Task]) -> Form:
        """See `tasks.Views`: the items, or their latents."""
        if self.autoencoder is None:
            return form
        coder = others["autoencoder"]
        return latents_of(form, coder, key="task.autoencoder", run=self.autoencoder.run)

    @abstractmethod
    def asking(self, form: Form) -> Asking:
        """What samples of `form` may be asked for; ValueError where they may not."""

    def holding(self, form: Form) -> Holding | None:
        """Which parts of items are given in training; None: none ever.

        Raises ValueError where items of `form` have no such parts.
        """
        return None

    def sampler_for(self, request: Request) -> Sampling:
        """How samples are drawn for `request` where it does not say."""
        return self.sampler

    def sampled(self, sampler: Sampling, guidance: Guidance) -> Self:
        """The same with samples drawn so, whatever is asked for."""
        return replace(self, sampler=sampler, guidance=guidance)

    def build(
        self, network: Any, form: Form, statistics: Statistics, others: Mapping[str, Task]
    ) -> "ImageGeneration":
        """The task on items of `form`, with a network of the config `network`, freshly initialised.

        `statistics` are those of the data as the model sees it.
        """
        denoiser = self.denoiser(network, form, statistics)
        if form.state is not None:
            denoiser.add_module("form", form.state)
        return ImageGeneration(self, denoiser, form, others.get("guidance.guide"))

    def denoiser(self, network: Any, form: Form, statistics: Statistics) -> Denoiser:
        """The model of such a task, freshly initialised."""
        outputs = 2 if self.learned_variance else 1
        return Denoiser(
            self.asking(form).network(network, form, outputs),
            self.schedule,
            target=self.target,
            preconditioning=self.preconditioning,
            statistics=statistics,
            levels=None if form.levels is None else Levels(*form.levels),
            learned_variance=self.learned_variance,
            uncertainty=self.uncertainty,
            most_log_snr=self.told_log_snr,
        )


class ImageGeneration:
    """The loss of a denoiser on items of a form, and sampling from it, guided by `guide` if any.

    Raises ValueError where the guide is not what the config's guidance needs.
    """

    def __init__(
        self, config: Generating, model: Denoiser, form: Form, guide: Task | None = None
    ) -> None:
        self.config = config
        self.model = model
        self.form = form
        self.asking = config.asking(form)
        self.holding = config.holding(form)
        self.prompts = self.asking.captions
        self.guidance = config.guidance
        self.guide = None if guide is None else fitting_guide(config.guidance, guide, form)
        self.class_names = form.class_names or (guide.form.class_names if guide else ())
        self.learned_unlabelled = not self.asking.is_asked or self.asking.dropout > 0

    def guided(self, guidance: Guidance, guide: Task | None) -> "ImageGeneration":
        """The same model with another guidance, and what guides it."""
        return ImageGeneration(
            replace(self.config, guidance=guidance), self.model, self.form, guide
        )

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The objective of each item, (B,), 0 in parts that are given.

        In `training` items are augmented, labels dropped.
        """
        device = next(self.model.parameters()).device
        schedule = self.config.schedule
        x0 = self.form.to_model(batch.items, device)
        told = None
        if training:
            x0, told = self.form.augment(x0, random)
        noise = random.normal_like("noise", x0)
        t = self.config.times.sample(schedule, random).to(device)
        density = self.config.times.density(t, schedule)
        t = self.config.objective.visited(t, schedule)
        labels = self.asking.given(batch, random, training=training)
        if labels is not None:
            labels = labels.to(device)
        xt, seen_t, is_given = add_noise(schedule, x0, noise, t), t, None
        if self.holding is not None:
            is_given = self.holding.drawn(random).to(device)
            xt, seen_t = torch.where(is_given, x0, xt), times_of(t, is_given, schedule)
        prediction = self.model(xt, seen_t, Condition(labels, told), random if training else None)
        if is_given is not None:
            own = schedule.at(t, like=x0)
            prediction, x0, noise = left_out(is_given, prediction, x0, noise, own)
        losses = self.config.objective.losses(prediction, x0, noise, t, schedule, density)
        return weigh(losses, prediction.uncertainty)

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """The summed objective and the number of items."""
        losses = self.losses(batch, random)
        return {"loss": (losses.sum(), len(losses))}

    def noised(self, items: np.ndarray, t: float, random: Random) -> Tensor:
        """Stored items after the forward process up to `t` (held within the schedule's range)."""
        schedule = self.config.schedule
        x0 = self.form.to_model(items)
        time = torch.tensor(t).clamp(schedule.t_min, schedule.t_max)
        return add_noise(schedule, x0, random.normal_like("noise", x0), time)

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items."""
        walk = self.walk(request)
        start = self.start(random, request.size)
        return walk.sampler(walk.denoise, start, walk.plan, walk.schedule, random)

    def start(self, random: Random, size: tuple[int, int] | None = None) -> Tensor:
        """Pure noise for `random`'s items, of this height and width, where samplers begin."""
        schedule = self.config.schedule
        spread = float(schedule.sigma(torch.tensor(schedule.t_max, dtype=torch.float64)))
        noise = random.normal("start", self.form.shape_of(size))
        return spread * noise.to(next(self.model.parameters()).device)

    def walk(self, request: Request) -> Walk:
        """Sampler, times and guided denoiser that `request` comes to."""
        device, schedule = next(self.model.parameters()).device, self.config.schedule
        sampler, guidance = self._choose(request)
        labels = without = None
        if request.labels is not None:
            labels = request.labels.to(device)
            without = self.asking.avoided(labels, request.negative)
        model, guide = self.asking.asked(self.model), self.guide
        if request.known is not None:
            model = self._held(model, request.known)
        denoise = guidance.wrap(model, labels, without, guide and self.asking.asked(guide))
        return Walk(sampler.function, denoise, sampler.plan(schedule), schedule)

    def _held(self, model: Any, known: Known) -> Held:
        """The model with what is given; InputError where it has not learned to be given any."""
        if self.holding is None:
            raise InputError(
                "Parts of items are given, and this run has learned from whole ones alone; ask a "
                "run of task video-generation or text-to-video"
            )
        self.holding.check_learned(known.frames)
        return Held(model, known)

    def sampled(self, sampler: Sampling, guidance: Guidance) -> "ImageGeneration":
        """The same model and guide, sampled so; `guidance` is of the same kind as before.

        Raises ValueError where `sampler` does not fit the schedule.
        """
        sampled = copy(self)
        sampled.config = self.config.sampled(sampler, guidance)
        sampled.guidance = guidance
        return sampled

    @property
    def chain_steps(self) -> int | None:
        """See `HasLikelihood.chain_steps`."""
        objective = self.config.objective
        return objective.steps if isinstance(objective, Variational | Hybrid) else None

    def judged(self, labels: Tensor | None) -> Judged:
        """See `Denoises.judged`."""
        model = self.model
        condition = Condition(labels) if self.asking.is_asked else None
        return Judged(
            lambda xt, t: model(xt, t, condition),
            self.config.schedule,
            Statistics(model.data_mean, float(model.data_std)),
            model.levels,
            min(HIGHEST_LOG_SNR, self.config.told_log_snr),
        )

    def describe(self, request: Request) -> dict[str, Any]:
        """Sampler, its plan and guidance that `request` comes to."""
        sampler, guidance = self._choose(request)
        described = sampler.describe()
        if self.form.sizes:
            described["size"] = in_words(request.size or self.form.sizes[0])
        if request.known is not None:
            described["given_frames"] = request.known.frames
        if (calls := sampler.calls(self.config.schedule)) is not None:
            described["network_calls"] = calls
        if guidance.needs_guide:
            described["guidance_kind"] = word_of(self.config, "guidance")
            described["guide"] = guide_words(guidance) if self.guide else None
        if (guidance.needs_guide and not self.guide) or not (self.asking.is_asked or self.guide):
            return described  # nothing is guided
        described |= {"guidance": guidance.scale, "guidance_interval": guidance.interval}
        if guidance.rescale:
            described["guidance_rescale"] = guidance.rescale
        if request.negative is not None:
            described["negative"] = self.asking.name(request.negative)
        return described

    def _choose(self, request: Request) -> tuple[Sampling, Guidance]:
        """The request's wishes in place of the recipe's; InputError where they are impossible."""
        pushed = {
            "scale": request.guidance,
            "interval": request.interval,
            "rescale": request.rescale,
        }
        try:
            sampler = self.config.sampler_for(request).changed(
                name=request.sampler,
                steps=request.steps,
                spacing=request.spacing,
                tolerance=request.tolerance,
            )
            sampler.check_fits(self.config.schedule)
            guidance = replace(self.guidance, **_given(pushed))
            self._check_guidance(request, guidance)
        except ValueError as error:
            raise InputError(str(error)) from error
        return sampler, guidance

    def _check_guidance(self, request: Request, guidance: Guidance) -> None:
        """Raise ValueError where the request asks for guidance that cannot be or does nothing."""
        asked: dict[str, Any] = {
            "--guidance-interval": request.interval,
            "--rescale": request.rescale,
            "--negative": request.negative,
        }
        given = [name for name, value in asked.items() if value is not None]
        noun = self.config.dropout.removesuffix("_dropout")
        if guidance.needs_guide and request.negative is not None:
            raise ValueError(
                f"a negative {noun} takes the place of none in classifier-free guidance, and this "
                f"is '{word_of(self.config, 'guidance')}'; leave --negative out"
            )
        learned_both = self.asking.is_asked and self.asking.dropout
        is_asked = bool(given) or request.guidance is not None
        if guidance.needs_unconditional and is_asked and not learned_both:
            raise ValueError(
                f"guidance needs a run trained both with {noun}s and, now and then, without "
                f"(task.{self.config.dropout}); leave {' and '.join(['--guidance', *given])} out "
                f"for this one, or guide it with --autoguide, which needs no {noun}s"
            )
        if given and guidance.scale == guidance.off:
            raise ValueError(
                f"guidance {guidance.scale:g} is off, so that {' and '.join(given)} would change "
                "nothing; give --guidance another value, such as 2"
            )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
