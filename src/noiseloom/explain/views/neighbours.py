"""What samples are nearest to among what was trained on, and whether one is a copy.

Of pictures, clips and points the nearest training items, of texts the longest passages that stand
in the training text letter for letter. What is held out says how near is usual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.dataset import ImageDataset, TextDataset
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.evaluate import images
from noiseloom.evaluate.progress import Progress
from noiseloom.evaluate.written import beginnings
from noiseloom.explain.explanation import Explanation
from noiseloom.explain.neighbours import compare, nearest_by_features
from noiseloom.explain.neighbours_of_items import explain_items
from noiseloom.explain.neighbours_of_texts import explain_texts
from noiseloom.explain.options import refuse
from noiseloom.explain.subject import Subject
from noiseloom.runs.drawing import draw
from noiseloom.runs.judging import shown
from noiseloom.runs.writing import usual, write_all
from noiseloom.tasks import Draws, Fills, Task, Writes

BY_FEATURES = 3  # training images nearest in features, beside each sample
HELD_OUT, HELD_OUT_TEXTS, TOKENS = 1_000, 200, 200


@dataclass(frozen=True, kw_only=True)
class Config:
    """The nearest training items of samples."""

    about: ClassVar[str] = "the training items nearest to samples, and whether these are copies"

    num: Annotated[int, Ge(1)] = option(16, "samples")
    held_out: Annotated[int, Ge(50)] | None = option(
        None, f"held-out items that say how near is usual, if there are more; null: {HELD_OUT:,}"
    )
    features: bool | None = option(
        None,
        "also by features learned on the training images, which takes minutes the first time; "
        "null: where the run's evaluation learns them anyway",
    )
    steps: Annotated[int, Ge(1)] | None = option(None, "moves from noise to data; null: the run's")
    guidance: float | None = option(None, "how strongly samples are guided; null: as the run's")
    tokens: Annotated[int, Ge(20)] | None = option(
        None, f"length of texts, in tokens; null: {TOKENS}"
    )

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if isinstance(task, Draws) or _writes_freely(task):
            return None
        return "it makes nothing of its own that could be a copy"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are prompts, or classes."""
        if isinstance(subject.task, Draws):
            return self._of_items(subject, subject.task, shown(subject.on_event))
        assert isinstance(subject.task, Writes)
        return self._of_texts(subject, subject.task)

    def _of_items(self, subject: Subject, task: Draws, progress: Progress) -> Explanation:
        refuse({"tokens": self.tokens}, "this run writes no text")
        dataset = subject.dataset
        wanted = subject.wanted(self.num, steps=self.steps, guidance=self.guidance)
        samples = draw(
            task,
            wanted.request,
            wanted.labels,
            num=wanted.num,
            seed=subject.seed,
            on_step=subject.working("Sampling"),
        ).items
        compared = compare(samples, dataset, held_out=self.held_out or HELD_OUT, progress=progress)
        alike = self._by_features(subject, samples, progress)
        found = explain_items(dataset, samples, compared, alike, wanted.names)
        protocol = {**task.describe(wanted.request), "num": wanted.num, **found.protocol}
        return replace(found, protocol=protocol)

    def _by_features(
        self, subject: Subject, samples: np.ndarray, progress: Progress
    ) -> np.ndarray | None:
        """The training images nearest in learned features, None where nobody asks for them."""
        evaluation, dataset = subject.run.recipe.evaluation, subject.dataset
        learns = isinstance(evaluation, images.Config)
        if not (learns if self.features is None else self.features):
            return None
        if not isinstance(dataset, ImageDataset):
            if self.features is None:
                return None
            raise InputError(
                "features=true is given, and features are learned on images, which this run's "
                "data is not; leave it out"
            )
        config = evaluation if learns else images.Config()
        features = config.features(dataset, progress)
        return nearest_by_features(samples, dataset, features, BY_FEATURES, progress)

    def _of_texts(self, subject: Subject, task: Writes) -> Explanation:
        drawn = {"steps": self.steps, "guidance": self.guidance, "features": self.features}
        refuse(drawn, "this run draws no pictures, it writes text")
        refuse({"held_out": self.held_out}, f"texts stand beside {HELD_OUT_TEXTS} held-out ones")
        dataset, tokens = subject.dataset, self.tokens or TOKENS
        assert isinstance(dataset, TextDataset)
        given = list(subject.inputs)
        prompts = given or beginnings(dataset, self.num, tokens)[0]
        working = subject.working("Writing")
        texts = write_all(
            task,
            prompts,
            replace(usual(task), max_tokens=tokens),
            seed=subject.seed,
            on_texts=lambda first, texts: working(first + len(texts), len(prompts)),
        )
        source = "".join(dataset.train_texts.column(0))
        real = beginnings(dataset, HELD_OUT_TEXTS, tokens)[1]
        found = explain_texts(prompts, texts, source, real)
        return replace(found, protocol={"tokens": tokens, **found.protocol})


def _writes_freely(task: Task) -> bool:
    """Whether it writes texts that no other text decides."""
    form = task.form
    windows = isinstance(form, TextForm) and not form.columns
    return windows and isinstance(task, Writes) and not isinstance(task, Fills)
