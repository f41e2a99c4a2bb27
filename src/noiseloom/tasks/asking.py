"""What samples may be asked for: nothing or a class, or what a caption says."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.forms import Batch, Form
from noiseloom.diffusion.denoiser import Denoiser
from noiseloom.networks.caption_reader import Kept
from noiseloom.networks.embeddings import Condition
from noiseloom.seeds import Random
from noiseloom.tasks.readers import Reader, Trained

TRAINED = Trained()


class Asking(Protocol):
    """What samples may be asked for, and how a model is told.

    `is_asked`: whether anything at all may be; in training it is left out of a share of the items,
    `dropout`, so that the model also knows what is there when nothing is asked for. `captions`: how
    words become what is asked for; None: they do not.
    """

    is_asked: bool
    dropout: float
    captions: Captions | None

    def network(self, config: Any, form: Form, outputs: int) -> nn.Module:
        """A network of `config` for items of `form`; ValueError where it cannot be asked so."""

    def given(self, batch: Batch, random: Random, *, training: bool) -> Tensor | None:
        """What the items of a batch would be asked by, a row each, on the CPU; None: nothing."""

    def avoided(self, asked: Tensor, negative: int | str | None) -> Tensor | None:
        """What guidance leads away from: `negative` or, where that is None, nothing asked.

        Of `asked`'s shape; None where nothing may be asked for.
        """

    def name(self, negative: int | str) -> str:
        """What guidance leads away from, in words."""

    def asked(self, model: Any) -> Any:
        """The model as the steps of one walk ask it."""


class ByClass:
    """By the number of a class, where the data has labels; the number after the last is none."""

    captions: Captions | None = None

    def __init__(self, class_names: tuple[str, ...], dropout: float) -> None:
        self.class_names, self.dropout = class_names, dropout
        self.is_asked = bool(class_names)

    def network(self, config: Any, form: Form, outputs: int) -> nn.Module:
        """See `Asking.network`."""
        network: nn.Module = config.build(
            form.item_shape, len(self.class_names), form.told, outputs, **_sizes(config, form)
        )
        return network

    def given(self, batch: Batch, random: Random, *, training: bool) -> Tensor | None:
        """See `Asking.given`."""
        if not self.is_asked or batch.labels is None:
            return None
        labels = torch.from_numpy(np.array(batch.labels))
        if not training:
            return labels
        return labels.masked_fill(
            random.chance("label-dropout", self.dropout), len(self.class_names)
        )

    def avoided(self, asked: Tensor, negative: int | str | None) -> Tensor | None:
        """See `Asking.avoided`."""
        if not self.is_asked:
            return None
        return torch.full_like(asked, len(self.class_names) if negative is None else int(negative))

    def name(self, negative: int | str) -> str:
        """See `Asking.name`."""
        return self.class_names[int(negative)]

    def asked(self, model: Any) -> Any:
        """See `Asking.asked`."""
        return model


class InWords:
    """By a caption, a row of its tokens; of several captions of an item one is taken each time.

    Raises InputError where what `reader` reads them by is not there.
    """

    def __init__(self, captions: Captions, dropout: float, reader: Reader = TRAINED) -> None:
        self.words, self.dropout, self.reader = reader.read_by(captions), dropout, reader
        self.captions: Captions | None = self.words
        self.is_asked = True

    def network(self, config: Any, form: Form, outputs: int) -> nn.Module:
        """See `Asking.network`."""
        if not getattr(config, "reads_captions", False):
            raise ValueError(
                "the network reads no captions, and the task draws by them; use network dit"
            )
        words = self.reader.wording(self.words)
        network: nn.Module = config.build(
            form.item_shape, 0, form.told, outputs, words=words, **_sizes(config, form)
        )
        return network

    def given(self, batch: Batch, random: Random, *, training: bool) -> Tensor | None:
        """See `Asking.given`."""
        if batch.captions is None:
            return None
        rows_BKL = torch.from_numpy(np.array(batch.captions, dtype=np.int64))
        present = (rows_BKL != self.words.padding).any(dim=2).sum(dim=1)
        chosen = (random.uniform("captions") * present).long()  # below `present`, or 0
        rows = rows_BKL[torch.arange(len(rows_BKL)), chosen]
        if not training:
            return rows
        dropped = random.chance("caption-dropout", self.dropout)
        return rows.masked_fill(dropped[:, None], self.words.padding)

    def avoided(self, asked: Tensor, negative: int | str | None) -> Tensor:
        """See `Asking.avoided`."""
        row = self.words.encode(["" if negative is None else str(negative)]).tokens
        return torch.from_numpy(row).to(asked).expand_as(asked)

    def name(self, negative: int | str) -> str:
        """See `Asking.name`."""
        return str(negative)

    def asked(self, model: Any) -> Any:
        """See `Asking.asked`."""
        return ReadOnce(model) if isinstance(model, Denoiser) else model


def _sizes(config: Any, form: Form) -> dict[str, Any]:
    """What a network is built with for images of several sizes; ValueError where it takes none."""
    if not form.sizes:
        return {}
    if not getattr(config, "takes_sizes", False):
        raise ValueError(
            f"the data's images are of {len(form.sizes)} sizes (data.buckets), and the network "
            "takes images of one. Use network dit, or leave data.buckets out"
        )
    return {"sizes": form.sizes}


class ReadOnce:
    """A denoiser whose network reads the captions of a walk once, however many steps ask it."""

    KEPT = 2  # those asked for alone, and beside what guidance leads away from

    def __init__(self, model: Denoiser) -> None:
        self.model = model
        self.known: list[tuple[Tensor, Condition]] = []

    @property
    def schedule(self) -> Any:
        """The denoiser's own."""
        return self.model.schedule

    def __call__(self, xt: Tensor, t: Tensor, condition: Tensor | None = None, /) -> Any:
        """What it says, asked by captions (B, L), if any."""
        if condition is None:
            return self.model(xt, t)
        return self.model(xt, t, self._of(condition))

    def _of(self, captions: Tensor) -> Condition:
        """The captions with the place where the network keeps what it has read of them."""
        for known, condition in self.known:
            if known is captions or (known.shape == captions.shape and known.equal(captions)):
                return condition
        condition = Condition(captions, kept=Kept())
        self.known = [*self.known[1 - self.KEPT :], (captions, condition)]
        return condition
