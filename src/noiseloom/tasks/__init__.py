"""Tasks: each file composes data, network, objective and sampler into what a user wants done.

The word in a recipe is the Hugging Face task name. A task file holds its `Config`, whose `build`
answers a `Task`; the training loop knows only `Task.loss`, and `runs` only what is listed here.
What a task can do beside being trained is a protocol of its own, which `runs` asks for: `Draws`
(samples), `Guided` where another model may guide these, `Refines` where it makes more of another
run's, `Prompted` where they are asked for in words, `Walks` where its sampler can be started
anywhere, as editing needs, `Tunable` where it may be chosen after training; `Noises` (items),
`Denoises` (at every t), `HasLikelihood`, `HasExactLikelihood`; `Predicts` (classes); `Estimates`
(numbers); `Writes`, `WritesAnywhere`, `Uncovers`, `Fills`, `Translates`, `Scores` and `Finds`
(text); `Reconstructs` (items, by way of latents); `Prepares` where it needs more than the data. Its
`Config` says in `answers`, as networks and evaluations do, what comes out of it, and in `in_order`,
as networks do, whether the numbers of an item come one after the other.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.dataset import Split
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import Denoise
from noiseloom.diffusion.guidance import Guidance
from noiseloom.diffusion.likelihood import Judged
from noiseloom.diffusion.samplers import Sampler, Step, Tolerance
from noiseloom.diffusion.sampling import Sampling
from noiseloom.diffusion.schedules import Schedule
from noiseloom.errors import InputError
from noiseloom.seeds import Random

OnProgress = Callable[[str, int, int], None]
"""Is told of long work what it is, how much is done, of how much."""


@dataclass(frozen=True)
class Known:
    """Frames that are given before others are made: `items` as the model sees them, (B, C, T, …).

    `is_given` (1, 1, T, 1, 1), booleans, says which; the others of `items` mean nothing.
    """

    items: Tensor
    is_given: Tensor

    @classmethod
    def of(cls, items: Tensor, frames: Sequence[int]) -> "Known":
        """The frames of these numbers."""
        is_given = torch.zeros(items.shape[2], dtype=torch.bool)
        is_given[list(frames)] = True
        return cls(items, is_given[None, None, :, None, None])

    @property
    def frames(self) -> list[int]:
        """The numbers of the given frames."""
        return self.is_given.flatten().nonzero().flatten().tolist()

    def taken(self, items: slice) -> "Known":
        """What is given of some of the items."""
        return Known(self.items[items], self.is_given)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a sampler; None means as the recipe says.

    `labels` has one entry an item: a class or, of tasks that draw by captions, a row of tokens.
    `negative`, what guidance leads away from, is a class or a caption in words. `known` are frames
    of clips that are given. `size` is the height and width of images, of a form of several `sizes`.
    """

    labels: Tensor | None = None
    steps: int | None = None
    sampler: str | None = None
    spacing: str | None = None
    tolerance: float | None = None
    guidance: float | None = None
    interval: tuple[float, float] | None = None
    rescale: float | None = None
    negative: int | str | None = None
    known: Known | None = None
    size: tuple[int, int] | None = None

    @property
    def given(self) -> list[str]:
        """The options that say how samples are drawn, as the command names them."""
        options = {
            "--steps": self.steps,
            "--sampler": self.sampler,
            "--spacing": self.spacing,
            "--tolerance": self.tolerance,
            "--guidance": self.guidance,
            "--guidance-interval": self.interval,
            "--rescale": self.rescale,
            "--negative": self.negative,
        }
        return [name for name, value in options.items() if value is not None]

    @property
    def names_a_sampler(self) -> bool:
        """Whether it says how noise becomes data, beside how labels are followed."""
        wishes = (self.steps, self.sampler, self.spacing, self.tolerance)
        return any(wish is not None for wish in wishes)


@dataclass(frozen=True)
class Walk:
    """What `request` comes to but for where it starts: sampler(denoise, x, plan, schedule, random).

    `denoise` holds labels and guidance; `plan` falls from noise to data, or is a tolerance.
    """

    sampler: Sampler
    denoise: Denoise
    plan: Tensor | Tolerance
    schedule: Schedule

    @property
    def times(self) -> Tensor:
        """The plan of a sampler that walks along times; InputError where it is a tolerance."""
        if isinstance(self.plan, Tolerance):
            raise InputError(
                "An adaptive sampler chooses its times as it goes, and this needs to know them "
                "before; name another with --sampler, such as heun"
            )
        return self.plan


class Task(Protocol):
    """A model with its loss; `model` holds all that is trained. What it can do beside is below."""

    model: nn.Module
    form: Form

    def losses(self, batch: Batch, random: Random, *, training: bool = True) -> Tensor:
        """The loss of each item, (B,); drop-out of any kind only in `training`."""

    def loss(self, batch: Batch, random: Random) -> dict[str, tuple[Tensor, int]]:
        """Named (sum, count) pairs; the loop adds them up over micro-batches and ranks."""


@runtime_checkable
class Draws(Task, Protocol):
    """A task that makes new items, from noise."""

    def sample(self, request: Request, random: Random) -> Iterator[Step]:
        """Walk from noise to data for `random`'s items; the last step's x0 is the sample."""

    def describe(self, request: Request) -> dict[str, Any]:
        """How samples for `request` are drawn, in plain words and numbers, for protocols."""


@runtime_checkable
class Noises(Task, Protocol):
    """A task that has learned on noisy items."""

    def noised(self, items: np.ndarray, t: float, random: Random) -> Tensor:
        """Stored items after the forward process up to `t`, as the model sees them."""


@runtime_checkable
class Denoises(Task, Protocol):
    """A task whose model is a denoiser of items at every t."""

    def judged(self, labels: Tensor | None) -> Judged:
        """The denoiser of items with `labels` (B,), unguided, and what it knows of its data."""


@runtime_checkable
class HasLikelihood(Denoises, Protocol):
    """A task whose denoiser is one of the data itself, so that it says how likely data is."""

    @property
    def chain_steps(self) -> int | None:
        """Steps of the chain whose bound it was trained by; None: it knows of no chain."""


@runtime_checkable
class HasExactLikelihood(Task, Protocol):
    """A task that says how likely an item is, exactly: no bound, no estimate.

    Numbers of items are seen in so many `levels`, evenly spread.
    """

    levels: int

    def nats(self, items: np.ndarray, labels: np.ndarray | None) -> Tensor:
        """-log of the probability of stored items at these levels, (N,) float64, on the CPU."""

    def kept(self, items: np.ndarray) -> np.ndarray:
        """What is left of stored items at these levels, as they are stored."""


@runtime_checkable
class Tunable(Draws, Protocol):
    """A task whose samples are walks of a sampler, any of which may be chosen after training."""

    config: Any  # with the `schedule`, and the `sampler` and `guidance` of the recipe

    def sampled(self, sampler: Sampling, guidance: Any) -> Self:
        """The same model, sampled so; ValueError where `sampler` does not fit the schedule."""


@runtime_checkable
class Guided(Draws, Protocol):
    """A task whose samples a guidance, and with it another model, may guide."""

    guidance: Guidance
    class_names: tuple[str, ...]
    """The classes that samples may be asked for: the model's own, or its guide's."""

    def guided(self, guidance: Guidance, guide: Task | None) -> "Guided":
        """The same model guided so; ValueError where the guide does not fit."""


@runtime_checkable
class Refines(Draws, Protocol):
    """A task that makes more of another run's samples, its base's; alone it draws these itself."""

    def refined(self, base: Task) -> Draws:
        """`base` with its samples refined; ValueError where this was made for another."""


@runtime_checkable
class Prompted(Draws, Protocol):
    """A task whose samples may be asked for in words.

    `prompts` says how these become the tokens that stand for labels; None: in no words.
    """

    prompts: Captions | None


@runtime_checkable
class Walks(Draws, Protocol):
    """A task whose samplers can be started from anywhere, and stopped."""

    learned_unlabelled: bool
    """Whether the model also knows what is there when no label is asked for."""

    def walk(self, request: Request) -> Walk:
        """What a sampler is called with for `request`; InputError where it is impossible."""


@runtime_checkable
class Prepares(Task, Protocol):
    """A task that needs, besides the data, what is made once and kept in the run's folder."""

    def prepare(self, folder: Path, on_progress: OnProgress) -> None:
        """Make it, or read it back, before training."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How text is written; what a task has no use for it refuses (InputError).

    `beams` of more than 1 search for the likeliest text instead of drawing one, its log-probability
    divided by its length to the power of `length_penalty`. `temperature` 0 takes the likeliest
    token. Writing ends at `max_tokens`, at the end of a text, or before one of the strings `stop`.
    `steps` is how many times a masked-diffusion model looks, and `unmasking` what it reveals.
    """

    max_tokens: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    beams: int = 1
    length_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    steps: int | None = None
    unmasking: Literal["confidence", "random"] = "confidence"

    def __post_init__(self) -> None:
        allowed = (
            ("--max-tokens", self.max_tokens, self.max_tokens >= 1, "1 or more"),
            ("--temperature", self.temperature, 0 <= self.temperature < math.inf, "0 or more"),
            ("--top-k", self.top_k, self.top_k is None or self.top_k >= 1, "1 or more"),
            ("--top-p", self.top_p, self.top_p is None or 0 < self.top_p <= 1, "above 0, up to 1"),
            ("--min-p", self.min_p, self.min_p is None or 0 <= self.min_p <= 1, "0 to 1"),
            (
                "--repetition-penalty",
                self.repetition_penalty,
                0 < self.repetition_penalty < math.inf,
                "above 0; 1 is off",
            ),
            ("--beams", self.beams, self.beams >= 1, "1 or more"),
            ("--length-penalty", self.length_penalty, math.isfinite(self.length_penalty), "finite"),
            ("--stop", self.stop, all(self.stop), "any text but an empty one"),
            ("--steps", self.steps, self.steps is None or self.steps >= 1, "1 or more"),
        )
        for option, given, is_allowed, words in allowed:
            if not is_allowed:
                raise InputError(f"{option} is {given}; allowed is {words}")


@dataclass(frozen=True)
class Draft:
    """What stands written so far, a text for each prompt, without the prompt; `tokens` in all.

    `grows`: the drafts that follow only add to these texts; else any part of them may change yet.
    """

    texts: Sequence[str]
    tokens: int
    is_done: bool
    grows: bool = True


@runtime_checkable
class Writes(Task, Protocol):
    """A task that answers a text with a text."""

    def write(self, prompts: Sequence[str], writing: Writing, random: Random) -> Iterator[Draft]:
        """Drafts for the prompts, each further than the last; the last is done.

        `random` has an item a prompt. Raises InputError when called, before the first draft, for a
        prompt that cannot be read and for a wish that this task cannot fulfil.
        """


@runtime_checkable
class WritesAnywhere(Writes, Protocol):
    """A task that writes by uncovering masks, in any order."""

    def uncover(
        self, prompts: Sequence[str], writing: Writing, random: Random
    ) -> Iterator[Sequence[Sequence[int]]]:
        """As `write`, but the tokens of each text, prompt and all: before and after each look.

        One that is still hidden has the number after the vocabulary's last.
        """


@runtime_checkable
class WritesUsually(Writes, Protocol):
    """A task that is better asked for `usual` than for what `Writing` says by default."""

    usual: Writing


@runtime_checkable
class Asks(Writes, Protocol):
    """A task that knows what to ask itself for a look at what it writes."""

    def ask(self, held_out: Split) -> Sequence[tuple[str, str]]:
        """A few prompts, and beside each what stands there in the data ("": nothing does)."""


@dataclass(frozen=True)
class Candidate:
    """A token that may stand behind a mask, as text, and how likely it does."""

    text: str
    probability: float


@runtime_checkable
class Uncovers(Task, Protocol):
    """A task that says what stands behind hidden tokens, whichever they are."""

    def behind(self, items: np.ndarray, is_hidden: np.ndarray) -> Tensor:
        """Log-probabilities of the hidden tokens of windows, in their order.

        (hidden, vocabulary) float32, on the CPU; `is_hidden` is of the windows' shape.
        """


@runtime_checkable
class Fills(Uncovers, Protocol):
    """A task that says what may stand behind the masks of a text."""

    def candidates(self, prompt: str, most: int) -> Sequence[Sequence[Candidate]]:
        """For each `<mask>` of a prompt the likeliest tokens, the likeliest first.

        Each mask is looked at with all others unfilled. Raises InputError for a prompt that cannot
        be read or has none.
        """


@runtime_checkable
class Translates(WritesUsually, Protocol):
    """A task that writes a text anew: in another language, or in other words."""

    def score_pairs(self, items: np.ndarray) -> tuple[Tensor, Tensor]:
        """Nats of each pair's second text given its first, and its number of tokens.

        Either (N,), on the CPU; the end of the text is one of its tokens.
        """


@runtime_checkable
class Scores(Task, Protocol):
    """A task that says how likely text is.

    `is_bound`: what it says is an upper bound, estimated, not the likelihood itself.
    """

    is_bound: bool

    def score(self, items: np.ndarray, random: Random) -> Tensor:
        """Nats of windows' tokens but the first, given the first, (N, L) float32, on the CPU.

        Of a bound only the sum over a window means something.
        """


@runtime_checkable
class Estimates(Task, Protocol):
    """A task that reads a number in an item."""

    def estimate(self, items: np.ndarray) -> Tensor:
        """The numbers (N,) of stored items, in the unit of the labels, float32, on the CPU."""


@runtime_checkable
class Finds(Task, Protocol):
    """A task that finds the part of a text that answers a question."""

    def find(self, items: np.ndarray) -> tuple[Tensor, Tensor]:
        """The first and last token (N, 2) of each answer, int64, and its probability (N,), CPU."""


@runtime_checkable
class Predicts(Task, Protocol):
    """A task that reads a class in an item."""

    def predict(self, items: np.ndarray) -> Tensor:
        """Logits (N, classes) of stored items, float32, on the CPU."""


@dataclass(frozen=True)
class Reconstructed:
    """Items after a way through latents: as they are stored, on the CPU.

    `latents` (N, C, H, W) float32 are what they went through. `nats` (N,) is what an item's latents
    tell, `indices` (N, H, W) are their codes: either is None where the bottleneck has none.
    """

    items: np.ndarray
    latents: Tensor
    nats: Tensor | None
    indices: Tensor | None


@runtime_checkable
class Reconstructs(Task, Protocol):
    """A task that packs items into latents, and unpacks any latents into items.

    `num_codes` is the number of codes a place of the latents may be; None: any number may be there.
    """

    latent_shape: tuple[int, int, int]
    num_codes: int | None

    def encode(self, items: np.ndarray) -> Tensor:
        """The latents (N, *latent_shape) of stored items, float32, on the CPU."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as the items they stand for, as a model of items sees these, on the CPU."""

    def reconstruct(self, items: np.ndarray) -> Reconstructed:
        """Stored items there and back."""


@runtime_checkable
class Perceives(Task, Protocol):
    """A task whose network can say what it sees in an item on its way to an answer."""

    def feature_maps(self, x: Tensor) -> Sequence[Tensor]:
        """Hidden maps (B, channels, height, width) of items as the model sees them, finest first.

        Gradients pass through.
        """


@runtime_checkable
class Views(Protocol):
    """A task's Config whose model may see the data's items as something else."""

    def view(self, form: Form, others: Mapping[str, Task]) -> Form:
        """What the model sees instead of items of `form`; `form` itself if it sees these.

        `others` as in `build`, which is then given what this answers. Raises ValueError where they
        do not fit.
        """
