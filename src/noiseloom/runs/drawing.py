"""Drawing samples from a task in batches, and choosing their labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL.Image import Image

from noiseloom.data.buckets import in_words
from noiseloom.data.caption_tokens import Captions, Encoded
from noiseloom.data.forms import Form
from noiseloom.diffusion.samplers import Step
from noiseloom.errors import InputError
from noiseloom.menu import nearest
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Guided, Prompted, Request, Task
from noiseloom.training.loop import Note


@dataclass(frozen=True)
class Samples:
    """What a run made: `items` as stored (images uint8 N, H, W, C) and their labels.

    Where items are asked for in words, labels are the tokens of these, (N, L).

    `frames` holds the items as they stood after each step, the last being `items`, if asked for.
    """

    items: np.ndarray
    labels: np.ndarray | None
    form: Form
    frames: list[np.ndarray] | None = None

    @property
    def captions(self) -> list[str] | None:
        """What was asked for, where that was in words."""
        if self.labels is None or self.form.captions is None or self.labels.ndim != 2:
            return None
        return self.form.captions.decode(self.labels)

    def picture(self, columns: int | None = None) -> Image:
        """The samples on one sheet."""
        return self.form.picture(self.items, self.labels, columns=columns)


def draw(
    task: Draws,
    request: Request,
    labels: np.ndarray | None,
    *,
    num: int,
    seed: int,
    batch_size: int = 250,
    keep_frames: bool = False,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Samples:
    """Sample pictures 0 … num - 1 in batches; `on_step(done, total)` counts pictures."""
    if num < 1 or batch_size < 1:
        raise InputError(f"{num} samples in batches of {batch_size} are asked for; allowed: 1 on")
    parts: list[np.ndarray] = []
    frames: list[list[np.ndarray]] = []
    for first in range(0, num, batch_size):
        items = range(first, min(num, first + batch_size))
        part = None if labels is None else torch.from_numpy(labels[items.start : items.stop])
        known = request.known and request.known.taken(slice(items.start, items.stop))
        walk = task.sample(replace(request, labels=part, known=known), Random(seed, items))
        step: Step | None = None
        states = []
        for step in walk:
            if keep_frames:
                states.append(task.form.to_items(step.x))
        assert step is not None  # every plan has a step
        parts.append(task.form.to_items(step.x0))
        frames.append([*states[:-1], parts[-1]])
        on_step(items.stop, num)
    together = None
    if keep_frames:
        longest = max(map(len, frames))  # an adaptive sampler's batches differ in steps
        padded = [states + states[-1:] * (longest - len(states)) for states in frames]
        together = [np.concatenate(states) for states in zip(*padded, strict=True)]
    form = replace(task.form, class_names=class_names(task))  # those of its guide, if it has none
    return Samples(np.concatenate(parts), labels, form, together)


def choose_labels(
    class_names: Sequence[str], label: Sequence[str | int] | str | int | None, num: int
) -> np.ndarray | None:
    """`num` labels cycling through those asked for, or through all; None without classes.

    A label is a class's name or its number. Raises InputError for one that does not exist.
    """
    if not class_names:
        if label is not None:
            raise InputError("This run was trained without labels; leave --label out")
        return None
    if label is None:
        return np.arange(num, dtype=np.int64) % len(class_names)
    asked = [label] if isinstance(label, str | int) else list(label)
    numbers = [class_number(class_names, str(one)) for one in asked]
    return np.resize(np.array(numbers, dtype=np.int64), num)


def choose_asked(
    task: Draws,
    *,
    prompts: Sequence[str] | None,
    label: Sequence[str | int] | str | int | None,
    num: int,
    place: str,
    on_event: Callable[[Note], None] = lambda note: None,
) -> np.ndarray | None:
    """The labels, or tokens of prompts, that `num` samples of `task` are asked for; None: nothing.

    Raises InputError, which names the run's `place`, for what cannot be asked of it.
    """
    captions = prompts_of(task)
    if captions is None and prompts is not None:
        how = "by class" if class_names(task) else "without being asked for anything"
        raise InputError(
            f"{place} draws {how}, not by what a text says; leave --prompt out, or use a run of "
            "task text-to-image"
        )
    if captions is None:
        return choose_labels(class_names(task), label, num)
    if label is not None:
        raise InputError(f"{place} draws what a text says and knows no classes; ask with --prompt")
    return choose_captions(captions, prompts, num, on_event)


def choose_size(form: Form, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """The height and width asked for; InputError where items of `form` do not come in that size."""
    if size is None or size in form.sizes:
        return size
    asked = f"Samples of {in_words(size)} (height x width) are asked for"
    if not form.sizes:
        raise InputError(
            f"{asked}, and this run draws in one size alone; leave --size out, or train a run on "
            "images with captions and data.buckets"
        )
    raise InputError(
        f"{asked}, and this run draws {', '.join(map(in_words, form.sizes))}; ask for one of "
        "these, or leave --size out"
    )


def choose_captions(
    captions: Captions,
    prompts: Sequence[str] | None,
    num: int,
    on_event: Callable[[Note], None] = lambda note: None,
) -> np.ndarray | None:
    """`num` rows of tokens cycling through the prompts, or through captions of held-out items.

    Words that the run has never seen are said, and what is cut. None where there is no prompt.
    """
    asked = captions.examples if prompts is None else prompts
    if not asked:
        return None
    read = captions.encode(asked)
    for note in about(read, captions):
        on_event(Note(note))
    return np.resize(read.tokens, (num, captions.longest))


def about(read: Encoded, captions: Captions) -> list[str]:
    """What a person should know of prompts that were read: words never seen, and what is cut."""
    said = []
    if read.unseen:
        one = len(read.unseen) == 1
        says = f"{'it says' if one else 'they say'} nothing to it"
        if captions.model is not None:
            it = "it" if one else "them"
            says = f"it knows of {it} what {captions.model.given} says, and has never drawn {it}"
        said.append(
            f"{', '.join(read.unseen)} {'stands' if one else 'stand'} in no caption that this run "
            f"was trained on: {says}."
        )
    if read.cut:
        kept = captions.decode(captions.encode(read.cut[:1]).tokens)[0]
        said.append(
            f"{len(read.cut)} {'prompt is' if len(read.cut) == 1 else 'prompts are'} longer than "
            f"the {captions.longest} tokens that this run reads. The first was read as: {kept}"
        )
    if captions.model is not None:
        texts = captions.decode(read.tokens)
        if long := captions.model.too_long(texts):
            said.append(
                f"{len(long)} {'prompt is' if len(long) == 1 else 'prompts are'} longer than the "
                f"{captions.model.longest} tokens that {captions.model.given} reads, and cut "
                f"there. The first of them: {texts[long[0]]}"
            )
    return said


def prompts_of(task: Draws) -> Captions | None:
    """How samples of `task` are asked for in words; None: they are not."""
    return task.prompts if isinstance(task, Prompted) else None


def usually_asked(task: Draws, num: int) -> np.ndarray | None:
    """What `num` samples are asked for where nobody says: all classes, or captions, in turn."""
    if (captions := prompts_of(task)) is not None:
        return choose_captions(captions, None, num)
    return choose_labels(task.form.class_names, None, num)


def class_names(task: Task) -> tuple[str, ...]:
    """The classes that samples of `task` may be asked for."""
    return task.class_names if isinstance(task, Guided) else task.form.class_names


def class_number(class_names: Sequence[str], asked: str) -> int:
    """The number of a class by its name or number; InputError with the nearest for neither."""
    if asked in class_names:
        return list(class_names).index(asked)
    if asked.isascii() and asked.isdecimal() and int(asked) < len(class_names):
        return int(asked)
    guess = nearest(asked, list(class_names))
    raise InputError(
        f"There is no class '{asked}'. The run knows {', '.join(class_names)} "
        f"(or their numbers, 0 to {len(class_names) - 1})."
        + (f" Did you mean '{guess}'?" if guess else "")
    )
