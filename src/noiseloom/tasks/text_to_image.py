"""Draw what a caption says, on images with captions."""

from dataclasses import dataclass
from typing import ClassVar

from noiseloom.tasks.by_caption import ByCaption


@dataclass(frozen=True, kw_only=True)
class Config(ByCaption):
    """Diffusion on images with captions, drawn by what a prompt says."""

    uncaptioned: ClassVar[str] = (
        "Use data that has, such as captions or scenes, or task unconditional-image-generation"
    )
