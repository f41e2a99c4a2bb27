"""Guidance: x0 pushed away from what a worse or less informed model would say, or towards a class.

Each kind wraps a denoiser, its condition and what it is guided by into what samplers call. All of
them act on x0, within an interval of t; outside it the plain prediction stands, at its plain cost.
A kind is a frozen dataclass: its fields are its settings in a recipe.
"""

from noiseloom.diffusion.guidance.autoguidance import Autoguidance
from noiseloom.diffusion.guidance.classifier import ClassifierGuidance
from noiseloom.diffusion.guidance.classifier_free import ClassifierFree
from noiseloom.diffusion.guidance.guidance import Guidance

GUIDANCE: dict[str, type[Guidance]] = {
    "classifier-free": ClassifierFree,
    "autoguidance": Autoguidance,
    "classifier": ClassifierGuidance,
}

__all__ = ["GUIDANCE", "Autoguidance", "ClassifierFree", "ClassifierGuidance", "Guidance"]
