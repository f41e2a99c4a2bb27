"""Generate images (or 2-D points, their smallest case), by class where the data has labels."""

from dataclasses import dataclass
from typing import ClassVar

from noiseloom.config import option
from noiseloom.data.forms import Form
from noiseloom.tasks.asking import Asking, ByClass
from noiseloom.tasks.generating import Generating


@dataclass(frozen=True, kw_only=True)
class Config(Generating):
    """Diffusion on images: schedule, target, objective, and how samples are drawn."""

    dropout: ClassVar[str] = "label_dropout"

    label_dropout: float = option(0.1, "share of items trained without their label, for guidance")

    def asking(self, form: Form) -> Asking:
        """See `Generating.asking`."""
        return ByClass(form.class_names, self.label_dropout)
