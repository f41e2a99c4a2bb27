"""An item as numbers that an answer can be followed back to, and what stands for nothing in it.

Pixels and measured values are such numbers themselves. Tokens are none: of a text they are what
its tokens enter the network as, before they see one another. The parts of an item are what a person
tells apart in it: words, patches, stretches of time.
Shapes: B inputs, C texts of an item or channels, L tokens of a text, W width, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.forms import ImageForm, SeriesForm, TextForm
from noiseloom.data.tokenizer import PAD, Tokenizer
from noiseloom.errors import InputError
from noiseloom.explain.words import Word, words_of
from noiseloom.networks.text_encoder import TextEncoder
from noiseloom.tasks import Task
from noiseloom.tasks.question_answering import Reader
from noiseloom.tasks.text_reading import RowReader, row_reader

Baseline = Literal["auto", "hidden", "mean", "black"]
Answer = Callable[[Tensor], Tensor]
Others = Callable[[], np.ndarray]
"""Some items like the one that is followed, asked for only where their mean is the baseline."""
PATCHES, STRETCHES = 7, 24  # about, along a side of an image and of a series


@dataclass(frozen=True)
class Followed:
    """`given` (1, …) beside a `baseline` of its shape, and what a model answers such inputs (B, O).

    `part_of` (1, …), which broadcasts to `given`, numbers its parts from 0; what is of none is -1
    and never changes. `shape` is how the parts lie: (words,), (rows, columns) or (stretches,
    channels). `is_smooth`: gradients lead back to `given`. `words` are those of texts.
    """

    given: Tensor
    baseline: Tensor
    answer: Answer
    part_of: Tensor
    shape: tuple[int, ...]
    baseline_name: str
    is_smooth: bool = True
    words: tuple[Word, ...] = ()

    @property
    def parts(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape))


def follow(
    task: Task, item: np.ndarray, others: Others, *, baseline: Baseline, side: int | None
) -> Followed:
    """An item, as stored, of a task that reads texts, images or series.

    "mean" is the mean of `others`; `side` is that of a patch of pixels, or the length of a stretch
    of time. Raises InputError for a baseline that the model knows nothing of, and for a `side` that
    an item has no use for.
    """
    if not isinstance(task.form, TextForm):
        return _numbers(task, item, others, baseline, side)
    if side is not None:
        raise InputError(f"side is {side}, and the parts of a text are its words; leave it out")
    read = row_reader(task)
    if read is not None and not isinstance(read.model, TextEncoder):
        return _tokens(read, item, baseline)
    return _entered(_entrance(task), item, others, baseline)


def can_follow(task: Task) -> bool:
    """Whether `follow` knows what the task reads."""
    if isinstance(task.form, TextForm):
        return row_reader(task) is not None or isinstance(task.model, Reader)
    return isinstance(task.form, ImageForm | SeriesForm)


@dataclass(frozen=True)
class Entrance:
    """How stored texts become `tokens` (B, C, L), these `enter` a network (B, C, L, W), and what it
    answers from there, given which tokens are real.

    `hidden` is the token that stands for a hidden one; None: the network knows of none.
    """

    tokens: Callable[[np.ndarray], Tensor]
    enter: Callable[[Tensor], Tensor]
    answer: Callable[[Tensor, Tensor], Tensor]
    tokenizer: Tokenizer
    hidden: int | None


def _entrance(task: Task) -> Entrance:
    form, model = task.form, task.model
    assert isinstance(form, TextForm)  # `follow` saw to it
    if isinstance(model, Reader):
        device = next(model.parameters()).device
        return Entrance(
            lambda items: form.to_model(items, device),
            model.enter,
            lambda rows, is_real: model.answer(rows, is_real).flatten(1),
            form.tokenizer,
            None,
        )
    read = row_reader(task)
    assert read is not None and isinstance(read.model, TextEncoder)  # `follow` saw to it
    network = read.model
    return Entrance(
        read.seen,
        network.enter,
        lambda rows, is_real: network.answer(rows, is_real).float(),
        form.tokenizer,
        network.hidden if network.config.token_dropout else None,
    )


def _entered(way: Entrance, item: np.ndarray, others: Others, baseline: Baseline) -> Followed:
    """A text by what its tokens enter as."""
    _allow(baseline, ("hidden", "mean"), "text")
    if baseline == "hidden" and way.hidden is None:
        raise InputError(
            "baseline is hidden, and this run has learned of no hidden tokens "
            "(network.token_dropout is 0); allowed is mean"
        )
    name = ("mean" if way.hidden is None else "hidden") if baseline == "auto" else baseline
    pad = way.tokenizer.special(PAD)
    tokens_1CL = way.tokens(item[None])
    is_real = tokens_1CL != pad
    with torch.no_grad():
        given = way.enter(tokens_1CL)
        if name == "hidden":
            assert way.hidden is not None  # see above
            nothing = way.enter(torch.where(is_real, way.hidden, tokens_1CL))
        else:
            seen = way.tokens(others())
            entered, real = way.enter(seen), (seen != pad)[..., None]
            nothing = (entered * real).sum(dim=(0, 2)) / real.sum(dim=(0, 2)).clamp(min=1)
            nothing = nothing[None, :, None].expand_as(given)
    part_of, words = _words(way.tokenizer, tokens_1CL[0], is_real[0])
    baseline_1CLW = torch.where(is_real[..., None], nothing, given)

    def answer(rows_BCLW: Tensor) -> Tensor:
        return way.answer(rows_BCLW, is_real.expand(len(rows_BCLW), -1, -1))

    return Followed(
        given, baseline_1CLW, answer, part_of[..., None], (len(words),), name, words=words
    )


def _tokens(read: RowReader, item: np.ndarray, baseline: Baseline) -> Followed:
    """A text by its tokens, of a network that reads more off them than what they enter as."""
    if baseline not in ("auto", "hidden"):
        raise InputError(
            f"baseline is {baseline}, and of this network a word can only be left out; allowed "
            "are hidden and auto"
        )
    tokens_1CL = read.seen(item[None])
    part_of, words = _words(read.form.tokenizer, tokens_1CL[0], (tokens_1CL != read.pad)[0])

    def answer(rows_BCL: Tensor) -> Tensor:
        numbers: Tensor = read.model(rows_BCL, rows_BCL != read.pad)
        return numbers.float()

    left_out = torch.full_like(tokens_1CL, read.pad)
    return Followed(tokens_1CL, left_out, answer, part_of, (len(words),), "left out", False, words)


def _words(
    tokenizer: Tokenizer, tokens_CL: Tensor, is_real_CL: Tensor
) -> tuple[Tensor, tuple[Word, ...]]:
    """Which word each token is of, (1, C, L), counted through the texts; and these words."""
    part_of = torch.full(tokens_CL.shape, -1)
    words: list[Word] = []
    for text, (tokens, is_real) in enumerate(zip(tokens_CL.cpu(), is_real_CL.cpu(), strict=True)):
        for word in words_of(tokenizer, tokens[is_real].tolist(), text):
            part_of[text, word.first : word.end] = len(words)
            words.append(word)
    return part_of[None].to(tokens_CL.device), tuple(words)


def _numbers(
    task: Task, item: np.ndarray, others: Others, baseline: Baseline, side: int | None
) -> Followed:
    """Pixels, or measured values."""
    is_image = isinstance(task.form, ImageForm)
    if is_image:
        _allow(baseline, ("black", "mean"), "images")
    else:
        _allow(baseline, ("mean",), "series")
    name = ("black" if is_image else "mean") if baseline == "auto" else baseline
    device = next(task.model.parameters()).device
    given = task.form.to_model(item[None], device)
    if name == "black":
        nothing = task.form.to_model(np.zeros_like(item)[None], device)
    else:
        nothing = task.form.to_model(others(), device).mean(dim=0, keepdim=True)
    length = max(given.shape[2:]) if is_image else given.shape[1]
    side = side or max(1, round(length / (PATCHES if is_image else STRETCHES)))
    if not 1 <= side <= length:
        raise InputError(f"side is {side}; items are {length} long. Allowed is 1 to {length}")
    if is_image:
        rows, columns = (torch.arange(n) // side for n in given.shape[2:])
        shape = (int(rows[-1]) + 1, int(columns[-1]) + 1)
        part_of = (rows[:, None] * shape[1] + columns)[None, None]
    else:
        steps, channels = torch.arange(length) // side, torch.arange(given.shape[2])
        shape = (int(steps[-1]) + 1, len(channels))
        part_of = (steps[:, None] * shape[1] + channels)[None]

    def answer(rows_: Tensor) -> Tensor:
        numbers: Tensor = task.model(rows_)
        return numbers.float()

    return Followed(given, nothing, answer, part_of.to(device), shape, name)


def _allow(baseline: Baseline, allowed: tuple[str, ...], kind: str) -> None:
    if baseline not in ("auto", *allowed):
        raise InputError(
            f"baseline is {baseline}, and the run reads {kind}; allowed are "
            f"{', '.join(('auto', *allowed[:-1]))} and {allowed[-1]}"
        )
