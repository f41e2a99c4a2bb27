"""What every task has that is asked for items in words."""

from dataclasses import dataclass
from typing import ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.tasks.asking import Asking, InWords
from noiseloom.tasks.generating import Generating
from noiseloom.tasks.readers import READERS, Reader, Trained


@dataclass(frozen=True, kw_only=True)
class ByCaption(Generating):
    """Diffusion on items with captions: how often these are left out, and what reads them."""

    dropout: ClassVar[str] = "caption_dropout"
    takes_prompts: ClassVar[bool] = True
    uncaptioned: ClassVar[str]
    """What to do where the data has no captions."""

    caption_dropout: float = option(
        0.1, "share of items trained without their caption, for guidance"
    )
    reader: Reader = option(
        help="what reads captions: words learned with the rest, or a frozen text model",
        choices=READERS,
        default_factory=Trained,
    )

    def asking(self, form: Form) -> Asking:
        """See `Generating.asking`."""
        if form.captions is None:
            raise ValueError(
                f"the data has no captions, and the task goes by them. {self.uncaptioned}"
            )
        return InWords(form.captions, self.caption_dropout, self.reader)
