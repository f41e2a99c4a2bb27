"""What a view looks at: a trained run, and what it is asked about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
import torch

from noiseloom.data.dataset import Dataset
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.explain.explanation import Explanation
from noiseloom.runs.asked import read_asked
from noiseloom.runs.drawing import choose_asked, class_names, prompts_of
from noiseloom.runs.latents import seen_data
from noiseloom.runs.reading_ahead import read_ahead
from noiseloom.runs.run import OnEvent, Run
from noiseloom.seeds import Random
from noiseloom.tasks import Draws, Request, Task
from noiseloom.training.loop import Note, Working

MOST_SAMPLES = 64  # that one page shows, and that are drawn together


@dataclass(frozen=True)
class Given:
    """Inputs as items, as stored; what to call each, its texts or its file; what is to be said."""

    items: np.ndarray
    names: list[str]
    said: str


@dataclass(frozen=True)
class Wanted:
    """Samples that are to be drawn for `request`, and what each is asked for, in words or ""."""

    request: Request
    names: list[str]
    random: Random

    @property
    def num(self) -> int:
        """How many they are."""
        return len(self.names)

    @property
    def labels(self) -> np.ndarray | None:
        """Classes, or tokens of prompts; None: they are asked for nothing."""
        return None if self.request.labels is None else self.request.labels.numpy()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A run with its trained `task`, and the `inputs` that it is explained on."""

    run: Run
    task: Task
    inputs: tuple[str, ...]
    seed: int
    on_event: OnEvent

    @cached_property
    def dataset(self) -> Dataset:
        """The run's data, opened when first asked for; of several sizes the commonest alone."""
        return self.run.open_data(self.on_event).alike()

    @cached_property
    def seen(self) -> Dataset:
        """The data as the model sees it: itself, or its latents; captions are read beforehand."""
        others = self.run.others(on_event=self.on_event)
        seen = seen_data(self.run, self.dataset, others, self.on_event)
        read_ahead(self.task, seen, self.on_event)
        return seen

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.task.model.parameters()).device

    def wanted(
        self,
        num: int | None,
        usual: int = 1,
        *,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Wanted:
        """`num` samples of a task that draws, one of each input at least; None: one of each.

        Without inputs None is the `usual` number. The inputs, prompts or classes, take turns;
        without any, classes or examples of captions do. Raises InputError for what the run cannot
        be asked.
        """
        task = self.task
        assert isinstance(task, Draws)  # the view saw to it
        inputs, captions = list(self.inputs) or None, prompts_of(task)
        num = max(num or len(self.inputs) or usual, len(self.inputs))
        labels = choose_asked(
            task,
            prompts=None if captions is None else inputs,
            label=None if captions is not None else inputs,
            num=num,
            place=str(self.run.folder),
            on_event=self.on_event,
        )
        if labels is None:
            names = [""] * num
        elif captions is not None:
            names = list(captions.decode(labels))
        else:
            names = [class_names(task)[label] for label in labels]
        asked = None if labels is None else torch.from_numpy(labels)
        request = Request(labels=asked, steps=steps, guidance=guidance)
        return Wanted(request, names, Random(self.seed, range(len(names))))

    def working(self, what: str) -> Callable[[int, int], None]:
        """Tells who watches how much of `what` is done, of how much."""
        return lambda done, total: self.on_event(Working(what, done, total))

    def read_inputs(self) -> Given:
        """The inputs as items of the run; where an item has several texts they follow one another.

        Who watches is told what there is to say. Raises InputError that names the first that
        cannot be used.
        """
        rows = list(self._rows())
        items, said = read_asked(self.task.form, rows)
        if said:
            self.on_event(Note(said))
        names = [row if isinstance(row, str) else " | ".join(row) for row in rows]
        return Given(items, names, said)

    def _rows(self) -> Sequence[str | tuple[str, ...]]:
        """The inputs, several texts an item where the run reads several."""
        form, inputs = self.task.form, self.inputs
        columns = form.columns if isinstance(form, TextForm) else ()
        if len(columns) < 2:
            return inputs
        if len(inputs) % len(columns):
            raise InputError(
                f"The texts given are {len(inputs)}, and an item of this run is {len(columns)}: "
                f"{' and '.join(columns)}. Give each item all of its texts, one after the other"
            )
        return [tuple(inputs[n : n + len(columns)]) for n in range(0, len(inputs), len(columns))]

    def refuse_inputs(self, why: str) -> None:
        """InputError where inputs are given; `why` says what the view looks at instead."""
        if self.inputs:
            raise InputError(f"{self.inputs[0]!r} is given, and {why}; leave it out")


class View(Protocol):
    """A view's Config: its options, whom it fits, and what it finds."""

    about: ClassVar[str]
    """What it shows, in a few words, for menus."""

    def misfit(self, task: Task) -> str | None:
        """Why there is nothing to be seen in such a task, if so: the end of a sentence."""

    def explain(self, subject: Subject) -> Explanation:
        """Look; InputError for inputs or options that do not fit the run."""
