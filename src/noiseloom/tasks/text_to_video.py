"""Make the clip that a caption tells of, from nothing or going on with given frames."""

from dataclasses import dataclass
from typing import ClassVar

from noiseloom.tasks.by_caption import ByCaption
from noiseloom.tasks.filming import Filming


@dataclass(frozen=True, kw_only=True)
class Config(ByCaption, Filming):
    """Diffusion on clips with captions, made by what a prompt says."""

    uncaptioned: ClassVar[str] = (
        "Use data moving-digits with data.captions=true, or task video-generation"
    )
