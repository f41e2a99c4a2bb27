"""Noiseloom: diffusion models, transformers, and the two combined, on your own data.

Public names are loaded on first use (PEP 562), so that `import noiseloom` and `noiseloom --help`
cost no torch import.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "Recipe": "noiseloom.runs",
    "Run": "noiseloom.runs",
    "Samples": "noiseloom.runs",
    "Predictions": "noiseloom.runs",
    "Editor": "noiseloom.runs",
    "shipped_recipes": "noiseloom.runs",
    "Denoiser": "noiseloom.diffusion.denoiser",
    "Prediction": "noiseloom.diffusion.denoiser",
    "Schedule": "noiseloom.diffusion.schedules",
    "SCHEDULES": "noiseloom.diffusion.schedules",
    "OBJECTIVES": "noiseloom.diffusion.objectives",
    "TIMES": "noiseloom.diffusion.times",
    "SAMPLERS": "noiseloom.diffusion.samplers",
    "Step": "noiseloom.diffusion.samplers",
    "plan_times": "noiseloom.diffusion.samplers",
    "add_noise": "noiseloom.diffusion.process",
    "ClassifierFree": "noiseloom.diffusion.guidance",
    "Autoguidance": "noiseloom.diffusion.guidance",
    "ClassifierGuidance": "noiseloom.diffusion.guidance",
    "Random": "noiseloom.seeds",
    "InputError": "noiseloom.errors",
    "DataError": "noiseloom.errors",
    "MachineError": "noiseloom.errors",
}
"""Public name -> the module it lives in."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'noiseloom' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
