"""What items look like, apart from the items: enough to sample from a run without its data.

Items are stored as people keep them: images as uint8 (N, H, W, C), usually memory-mapped, clips as
uint8 (N, T, H, W, C), points as float32 (N, 2), text as tokens. A form turns them into the model's
tensors and back, and draws them; it is written into the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noiseloom.data.forms.captioned import CaptionedForm, CaptionedVideoForm
from noiseloom.data.forms.form import Batch, Form
from noiseloom.data.forms.pictures import ImageForm, PointForm
from noiseloom.data.forms.series import SeriesForm
from noiseloom.data.forms.text import TextForm
from noiseloom.data.forms.video import VideoForm

FORMS: dict[str, type[Form]] = {
    "CaptionedForm": CaptionedForm,
    "CaptionedVideoForm": CaptionedVideoForm,
    "ImageForm": ImageForm,
    "PointForm": PointForm,
    "SeriesForm": SeriesForm,
    "TextForm": TextForm,
    "VideoForm": VideoForm,
}


def form_from(mapping: Mapping[str, Any], folder: Path) -> Form:
    """The form that `Form.to_mapping` described, also after a way through JSON.

    `folder` is where `Form.save` wrote what the mapping does not hold.
    """
    fields = {key: _frozen(value) for key, value in mapping.items() if key != "kind"}
    return FORMS[mapping["kind"]].from_fields(fields, folder)


def _frozen(value: Any) -> Any:
    """Lists as tuples, also within lists."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


__all__ = [
    "Batch",
    "CaptionedForm",
    "CaptionedVideoForm",
    "Form",
    "ImageForm",
    "PointForm",
    "SeriesForm",
    "TextForm",
    "VideoForm",
    "form_from",
]
