"""What is hard for a run: its loss by noise, by token, by item, trained on and held out.

Of a denoiser it is the error at each t; of a model of text the bits of each token, which make the
surprise of each word; of a model of masked text what is behind the masks, by how much they hide; of
all others the loss of each item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.dataset import TextDataset
from noiseloom.explain.explanation import Explanation
from noiseloom.explain.losses_behind_masks import explain_behind_masks
from noiseloom.explain.losses_by_time import explain_by_time
from noiseloom.explain.losses_of_items import explain_items
from noiseloom.explain.losses_of_text import explain_text
from noiseloom.explain.options import NO_DENOISER, refuse
from noiseloom.explain.subject import Subject
from noiseloom.runs.judging import shown
from noiseloom.tasks import (
    Denoises,
    Estimates,
    Finds,
    HasExactLikelihood,
    Predicts,
    Reconstructs,
    Scores,
    Task,
    Translates,
    Uncovers,
)

TIMES, TOKENS = 10, 1_000
FITTING = (
    Denoises,
    Scores,
    Uncovers,
    Predicts,
    Estimates,
    Finds,
    Translates,
    Reconstructs,
    HasExactLikelihood,
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is hard for a run."""

    about: ClassVar[str] = "loss by noise, by token or by item, trained on and held out"

    num: Annotated[int, Ge(8)] = option(256, "items, or windows of text, of each split")
    times: Annotated[int, Ge(2)] | None = option(
        None, f"times that a denoiser is asked at; null: {TIMES}"
    )
    tokens: Annotated[int, Ge(2)] | None = option(
        None, f"held-out text that is shown where no text is given, in tokens; null: {TOKENS:,}"
    )

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if isinstance(task, FITTING):
            return None
        return "its loss is not one of single items at single times"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are texts, of a run that says how likely they are."""
        task, num, seed = subject.task, self.num, subject.seed
        progress = shown(subject.on_event)
        reads_texts = isinstance(task, Scores) and not isinstance(task, Uncovers)
        if not reads_texts:
            subject.refuse_inputs("this run is looked at on items of its data")
            refuse({"tokens": self.tokens}, "no text of this run is shown word by word")
        if not isinstance(task, Denoises):
            refuse({"times": self.times}, NO_DENOISER)
        dataset = subject.dataset
        if isinstance(task, Denoises):
            times = self.times or TIMES
            return explain_by_time(
                task.judged, subject.seen, num=num, times=times, seed=seed, progress=progress
            )
        if isinstance(task, Uncovers):
            assert isinstance(dataset, TextDataset)
            return explain_behind_masks(task, dataset, num=num, seed=seed, progress=progress)
        if isinstance(task, Scores):
            assert isinstance(dataset, TextDataset)
            return explain_text(
                task,
                dataset,
                subject.inputs,
                num=num,
                shown=self.tokens or TOKENS,
                seed=seed,
                progress=progress,
            )
        return explain_items(task, dataset, num=num, seed=seed, progress=progress)
