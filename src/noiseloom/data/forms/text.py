"""The form of text: tokens, and the tokenizer that reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.types import Device

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.forms.form import Form
from noiseloom.data.tokenizer import END, PAD, Tokenizer

LINE = 18  # pixels from one line of a picture to the next
SHOWN = 160  # characters of an item in a picture


@dataclass(frozen=True, kw_only=True)
class TextForm(Form):
    """Tokens: windows of one long text, or rows of one text or several.

    A window (`columns` empty) is (context + 1,) tokens, all of them text; `documents` says whether
    the text is of several, an `END` after each. A row is (columns, context) tokens, each of its
    texts filled up with `PAD`; where they are `spaced`, stripped and begun with a space, so that a
    word is the same token at the beginning as elsewhere. `item_shape` is either. `number_mean` and
    `number_std` are those of the training labels where labels are numbers.
    """

    tokenizer: Tokenizer
    columns: tuple[str, ...] = ()
    documents: bool = False
    spaced: bool = False
    number_mean: float = 0.0
    number_std: float = 1.0

    @property
    def is_numeric(self) -> bool:
        return False

    @property
    def context(self) -> int:
        """How many tokens a model reads at once, at most: of a window, or of one text of a row."""
        return self.item_shape[-1] - (not self.columns)

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """The tokens as they are, int64; of rows without the columns that are padding in all."""
        items = np.asarray(items)
        if self.columns and len(items):
            used = (items != self.tokenizer.special(PAD)).any(axis=tuple(range(items.ndim - 1)))
            items = items[..., : max(1, int(used.nonzero()[0].max(initial=0)) + 1)]
        return torch.from_numpy(items.astype(np.int64)).to(device)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """The tokens as they are stored, int32."""
        return x0.cpu().numpy().astype(np.int32)

    def anchors(self, items: np.ndarray) -> np.ndarray:
        """What the number of each item is counted from, (N,): 0."""
        return np.zeros(len(items))

    def document_numbers(self, tokens_BL: Tensor) -> Tensor | None:
        """Which document of its window each token belongs to, (B, L); None where there is one.

        The `END` of a document belongs to it.
        """
        if not self.documents:
            return None
        ends = (tokens_BL == self.tokenizer.special(END)).long()
        return ends.cumsum(dim=1) - ends

    def texts(self, items: np.ndarray) -> list[str]:
        """Each item to read: the texts of a row one after the other."""
        return [
            " | ".join(self.tokenizer.decode(text) for text in np.atleast_2d(item))
            for item in items
        ]

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image.Image:
        """A line of text for each item, with its label; `columns` has no meaning here."""
        lines = [text[:SHOWN].replace("\n", " ") for text in self.texts(items)]
        if labels is not None:
            names = [self.class_names[int(one)] if self.class_names else one for one in labels]
            lines = [f"{name}: {line}" for name, line in zip(names, lines, strict=True)]
        sheet = Image.new("RGB", (8 * SHOWN, LINE * (len(lines) + 1)), "white")
        ImageDraw.Draw(sheet).multiline_text((LINE / 2, LINE / 2), "\n".join(lines), "black")
        return sheet.resize((sheet.width * (scale or 1), sheet.height * (scale or 1)))

    def to_mapping(self) -> dict[str, Any]:
        """All but the tokenizer, which `save` writes."""
        kept = [field.name for field in fields(self) if field.name != "tokenizer"]
        return {"kind": type(self).__name__, **{name: getattr(self, name) for name in kept}}

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`."""
        self.tokenizer.save(folder)

    @classmethod
    def from_fields(cls, fields: dict[str, Any], folder: Path) -> Self:
        """With the tokenizer of `folder`."""
        return cls(**fields, tokenizer=tokenizers.load(folder))
