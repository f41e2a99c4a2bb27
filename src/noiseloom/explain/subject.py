"""What a view looks at: a trained run, and what it is asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from noiseloom.data.dataset import Dataset
from noiseloom.errors import InputError
from noiseloom.explain.explanation import Explanation
from noiseloom.runs.drawing import choose_asked, prompts_of
from noiseloom.runs.run import OnEvent, Run
from noiseloom.tasks import Draws, Task


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A run with its trained `task`, and the `inputs` that it is explained on.

    `protocol` says which weights and seed, and grows into that of the explanation.
    """

    run: Run
    task: Task
    inputs: tuple[str, ...]
    seed: int
    protocol: dict[str, Any]
    on_event: OnEvent

    @cached_property
    def dataset(self) -> Dataset:
        """The run's data, opened when first asked for."""
        return self.run.open_data(self.on_event)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.task.model.parameters()).device

    def asked(self, num: int) -> np.ndarray | None:
        """What `num` samples are asked for by the inputs: classes, tokens of prompts, or nothing.

        The inputs take turns; without any, classes or examples of captions do. Raises InputError
        for what the run cannot be asked.
        """
        assert isinstance(self.task, Draws)
        inputs = list(self.inputs) or None
        in_words = prompts_of(self.task) is not None
        return choose_asked(
            self.task,
            prompts=inputs if in_words else None,
            label=None if in_words else inputs,
            num=num,
            place=str(self.run.folder),
            on_event=self.on_event,
        )

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
