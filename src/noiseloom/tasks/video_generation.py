"""Make clips: from nothing, going on with given frames, or between them."""

from dataclasses import dataclass
from typing import ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.tasks.asking import Asking, ByClass
from noiseloom.tasks.filming import Filming


@dataclass(frozen=True, kw_only=True)
class Config(Filming):
    """Diffusion on clips, by class where the data has labels."""

    dropout: ClassVar[str] = "label_dropout"

    label_dropout: float = option(0.1, "share of items trained without their label, for guidance")

    def asking(self, form: Form) -> Asking:
        """See `Generating.asking`."""
        return ByClass(form.class_names, self.label_dropout)
