"""Draw what a caption says, on images with captions."""

from dataclasses import dataclass
from typing import ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.tasks.asking import Asking, InWords
from noiseloom.tasks.generating import Generating
from noiseloom.tasks.readers import READERS, Reader, Trained


@dataclass(frozen=True, kw_only=True)
class Config(Generating):
    """Diffusion on images with captions, drawn by what a prompt says."""

    dropout: ClassVar[str] = "caption_dropout"
    takes_prompts: ClassVar[bool] = True

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
                "the data has no captions, and the task draws by them. Use data that has, such as "
                "captions or scenes, or task unconditional-image-generation"
            )
        return InWords(form.captions, self.caption_dropout, self.reader)
