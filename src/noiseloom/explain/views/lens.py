"""What a network would answer if it ended after each of its blocks, read by its own final head.

Of a language model that is the likeliest piece at each place (`text_lens_page`), of a classifier
the class (`class_lens_page`), of a denoiser the picture that it expects (`picture_lens_page`). The
last row is the network's own answer. How the states are read is in `depth_lens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from noiseloom.config import option
from noiseloom.explain.class_lens_page import explain_classes
from noiseloom.explain.explanation import Explanation
from noiseloom.explain.interventions import blocks_of, network_of
from noiseloom.explain.options import NO_DENOISER, refuse
from noiseloom.explain.picture_lens_page import explain_pictures
from noiseloom.explain.read_texts import language_model
from noiseloom.explain.subject import Subject
from noiseloom.explain.text_lens_page import explain_texts
from noiseloom.tasks import Denoises, Predicts, Task

PLACES, ITEMS, TIMES = 24, 4, (0.9, 0.7, 0.5, 0.3, 0.1)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What each block has come to."""

    about: ClassVar[str] = "what the network would answer if it ended after each block"

    most: Annotated[int, Ge(1)] | None = option(
        None, f"places of a text that are shown, the last ones; null: {PLACES}"
    )
    num: Annotated[int, Ge(1)] | None = option(
        None, f"held-out items, where none are given; null: {ITEMS}"
    )
    times: tuple[Annotated[float, Ge(0), Le(1)], ...] | None = option(
        None, f"t at which a denoiser is looked into, from 0 to 1; null: {list(TIMES)}"
    )

    def __post_init__(self) -> None:
        if self.times == ():
            raise ValueError("times is empty; allowed are one or more, each 0 to 1")

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if not blocks_of(network_of(task)):
            return "its network has no transformer blocks that hand on one state"
        if isinstance(task, Denoises | Predicts) or language_model(task) is not None:
            return None
        return "it answers neither pieces of text, nor classes, nor pictures"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are texts, or items to be told apart."""
        task, num = subject.task, self.num or ITEMS
        layers = blocks_of(network_of(task))
        if language_model(task) is not None:
            refuse({"num": self.num}, "this view looks at texts, of held-out ones at the first")
            refuse({"times": self.times}, NO_DENOISER)
            return explain_texts(subject, layers, most=self.most or PLACES)
        refuse({"most": self.most}, "no text of this run is shown place by place")
        if isinstance(task, Predicts):
            refuse({"times": self.times}, NO_DENOISER)
            if subject.inputs:
                refuse({"num": self.num}, "it is items that are given that are looked at")
            return explain_classes(subject, layers, num=num)
        subject.refuse_inputs("this view looks at held-out items with noise")
        return explain_pictures(subject, layers, num=num, times=self.times or TIMES)
