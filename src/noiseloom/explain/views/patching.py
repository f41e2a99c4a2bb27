"""Where what differs between two inputs is carried: parts of one's run are put into the other's.

Of a run that draws by prompts these are the words' keys and values, block by block and range of
steps by range (`word_swap_page`); of one that reads text the states after each block, place by
place (`state_swap_page`). Prompt, noise and weights stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.forms import TextForm
from noiseloom.errors import InputError
from noiseloom.explain.explanation import Explanation
from noiseloom.explain.interventions import blocks_of, network_of
from noiseloom.explain.options import refuse
from noiseloom.explain.read_texts import language_model
from noiseloom.explain.state_swap_page import explain_states
from noiseloom.explain.subject import Subject
from noiseloom.explain.word_swap import reads_words
from noiseloom.explain.word_swap_page import explain_words
from noiseloom.tasks import Predicts, Task

PICTURES, RANGES = 8, 3


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where what differs between two inputs is carried."""

    about: ClassVar[str] = "which block, word or step carries what differs between two prompts"

    num: Annotated[int, Ge(1)] | None = option(
        None, f"pictures drawn for each swap; null: {PICTURES}"
    )
    ranges: Annotated[int, Ge(1)] | None = option(
        None, f"ranges that the steps are cut into; null: {RANGES}"
    )
    steps: Annotated[int, Ge(1)] | None = option(
        None, "moves from noise to data, where pictures are drawn; null: the run's"
    )

    def misfit(self, task: Task) -> str | None:
        """See `View.misfit`."""
        if reads_words(task):
            return None
        layered = bool(blocks_of(network_of(task)))
        is_row = isinstance(task.form, TextForm) and len(task.form.columns) == 1
        if layered and (
            language_model(task) is not None or (isinstance(task, Predicts) and is_row)
        ):
            return None
        return "it neither draws by words that it learned to read, nor answers one text"

    def explain(self, subject: Subject) -> Explanation:
        """See `View.explain`: inputs are two prompts, or texts, of as many tokens."""
        if len(subject.inputs) != 2:
            raise InputError(
                f"This view compares two inputs; given: {len(subject.inputs)}. Give two of as many "
                'words, such as "a red circle left of a blue square" "a green circle left of a '
                'blue square"'
            )
        if reads_words(subject.task):
            return explain_words(
                subject,
                num=self.num or PICTURES,
                ranges=self.ranges or RANGES,
                steps=self.steps,
            )
        drawn = {"num": self.num, "ranges": self.ranges, "steps": self.steps}
        refuse(drawn, "this run draws nothing, it reads text")
        return explain_states(subject)
