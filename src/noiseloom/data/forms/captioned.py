"""The forms of images and of clips that are asked for in words."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL.Image import Image

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.forms.form import Form
from noiseloom.data.forms.pictures import ImageForm
from noiseloom.data.forms.video import VideoForm
from noiseloom.media import captioned_grid, strip


@dataclass(frozen=True, kw_only=True)
class Captioned(Form):
    """Items with captions; where other forms have a label, tokens (L,) of a caption stand.

    `language` says how captions become tokens.
    """

    language: Captions

    @property
    def captions(self) -> Captions:
        """See `Form.captions`."""
        return self.language

    def to_mapping(self) -> dict[str, Any]:
        """All but the captions' words, which `save` writes."""
        kept = [field.name for field in fields(self) if field.name != "language"]
        return {"kind": type(self).__name__, **{name: getattr(self, name) for name in kept}}

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `captions.json`."""
        self.captions.save(folder)

    @classmethod
    def from_fields(cls, fields: dict[str, Any], folder: Path) -> Self:
        """With the captions' words of `folder`."""
        return cls(**fields, language=Captions.load(folder))


@dataclass(frozen=True, kw_only=True)
class CaptionedForm(Captioned, ImageForm):
    """Images with captions, of one size or of several: `sizes` as `Form.sizes`."""

    sizes: tuple[tuple[int, int], ...] = ()

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A grid of the images, each with its caption below where `labels` (N, L) are given."""
        if labels is None:
            return super().picture(items, None, columns, scale)
        return captioned_grid(items, self.captions.decode(labels), columns, scale)


@dataclass(frozen=True, kw_only=True)
class CaptionedVideoForm(Captioned, VideoForm):
    """Clips with captions."""

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """A row of frames for each clip, under its caption where `labels` (N, L) are given."""
        return strip(items, None if labels is None else self.captions.decode(labels), scale)
