"""A data set: what is trained on, what it is measured against, and the form of its items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL.Image import Image
from torch import Tensor
from torch.types import Device

from noiseloom.data.bouncing import Motion
from noiseloom.data.buckets import Shape, in_words
from noiseloom.data.caption_tokens import Captions
from noiseloom.data.content import combined
from noiseloom.data.forms import (
    Batch,
    CaptionedForm,
    CaptionedVideoForm,
    Form,
    ImageForm,
    PointForm,
    TextForm,
    VideoForm,
)
from noiseloom.data.raw_texts import RawTexts
from noiseloom.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Items and, where there are any, their labels.

    Labels are classes (int64, from 0 to their number - 1), numbers (float32), or spans (int64,
    (N, 2): the first token and the last; -1 for both where there is nothing to be found). `lengths`
    (N,) says of items that are filled up how long each is, so that those of like length are trained
    on together. `captions` (N, K, L) int32 are the tokens of up to K captions of each item, the
    present ones first, filled up with padding; an absent caption is padding alone. `sizes` (N, 2)
    says of images of several sizes how high and wide each is: it lies in the upper left corner of
    its item, and those of one size lie one after the other.
    """

    items: np.ndarray
    labels: np.ndarray | None = None
    lengths: np.ndarray | None = None
    captions: np.ndarray | None = None
    sizes: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, beside in (
            ("labels", self.labels),
            ("rows of captions", self.captions),
            ("sizes", self.sizes),
        ):
            if beside is not None and len(beside) != len(self.items):
                raise ValueError(
                    f"{len(self.items)} items were given with {len(beside)} {name}; "
                    "each item needs one"
                )

    def __len__(self) -> int:
        return len(self.items)

    def evenly(self, num: int) -> np.ndarray:
        """The numbers of `num` items, all if these are fewer, evenly taken: files come by class."""
        return np.linspace(0, len(self) - 1, min(num, len(self))).round().astype(int)

    def asked(self, chosen: np.ndarray) -> np.ndarray | None:
        """What a model would be asked for to draw these items: labels, or first captions (n, L).

        None where there are neither.
        """
        if self.captions is not None:
            return np.asarray(self.captions[chosen, 0], np.int64)
        return None if self.labels is None else np.asarray(self.labels[chosen])

    def batch(self, chosen: np.ndarray) -> Batch:
        """The items of these numbers, which are of one size, with what belongs to them."""
        labels = None if self.labels is None else self.labels[chosen]
        captions = None if self.captions is None else self.captions[chosen]
        if self.sizes is None:
            return Batch(self.items[chosen], labels, captions)
        (height, width), *others = np.unique(self.sizes[chosen], axis=0)
        if others:
            raise ValueError(
                f"items of {1 + len(others)} sizes are asked for at once; a batch is of one"
            )
        return Batch(self.items[chosen, :height, :width], labels, captions)

    @cached_property
    def places(self) -> dict[Shape, slice]:
        """Where the items of each size lie, by height and width; {} where all are alike."""
        if self.sizes is None or not len(self):
            return {}
        changes = np.flatnonzero((self.sizes[1:] != self.sizes[:-1]).any(axis=1)) + 1
        bounds = [0, *changes.tolist(), len(self)]
        found = {
            (int(self.sizes[start][0]), int(self.sizes[start][1])): slice(start, stop)
            for start, stop in pairwise(bounds)
        }
        if len(found) < len(bounds) - 1:
            raise ValueError("items of one size must lie one after the other")
        return found

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of an item as it is stored; of several the first."""
        shape = self.items.shape[1:]
        return (*next(iter(self.places)), *shape[2:]) if self.places else shape

    def by_size(self, chosen: np.ndarray) -> list[np.ndarray]:
        """The places in `chosen` of the items of each size, which may be batched together."""
        if self.sizes is None:
            return [np.arange(len(chosen))]
        sizes = self.sizes[chosen]
        return [np.flatnonzero((sizes == size).all(axis=1)) for size in np.unique(sizes, axis=0)]

    def of_size(self, size: Shape) -> Split:
        """The items of one size alone, none where there are none; not copied."""
        place = self.places.get(size, slice(0, 0))
        beside = (self.labels, self.lengths, self.captions)
        cut = self.items[place, : size[0], : size[1]]
        return Split(cut, *(None if one is None else one[place] for one in beside))


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(ABC):
    """Two splits with their words. `reference` is never trained on.

    `class_names` is empty where the data has no labels. `fingerprint` is a hash of every item,
    label and class name of both splits: two data sets with one fingerprint train alike. `report`
    is what becomes `data_report.json`. `cache` is a folder for what is learned on this very data;
    it may not exist yet, and whoever writes there makes it.
    """

    train: Split
    reference: Split
    class_names: tuple[str, ...]
    fingerprint: str
    report: dict[str, Any]
    cache: Path

    @cached_property
    @abstractmethod
    def form(self) -> Form:
        """What the items look like, for whoever has the model but not the data."""

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of one item as the model sees it."""
        return self.form.item_shape

    def to_model(self, items: np.ndarray, device: Device = "cpu") -> Tensor:
        """Stored items as the model sees them on `device`: float32, a copy."""
        return self.form.to_model(items, device)

    def to_items(self, x0: Tensor) -> np.ndarray:
        """What a model made, as items are stored."""
        return self.form.to_items(x0)

    def alike(self) -> Dataset:
        """The data with the items of its commonest size alone, where they are of several."""
        return self

    def picture(
        self,
        items: np.ndarray,
        labels: np.ndarray | None = None,
        columns: int | None = None,
        scale: int | None = None,
    ) -> Image:
        """Items to look at, with their labels where given."""
        return self.form.picture(items, labels, columns, scale)


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageDataset(Dataset):
    """Images of one size, uint8 (N, H, W, C) with C of 1 (grey) or 3.

    `flip` and `augment_probability` as in `ImageForm`.
    """

    flip: bool = False
    augment_probability: float = 0.0

    @cached_property
    def form(self) -> ImageForm:
        height, width, channels = self.train.item_shape
        return ImageForm(
            item_shape=(channels, height, width),
            class_names=self.class_names,
            flip=self.flip,
            augment_probability=self.augment_probability,
        )


@dataclass(frozen=True, eq=False)
class ClipTruth:
    """What clips of one moving digit show: its image (N, 8, 8), which digit (N,), how it moves."""

    glyphs: np.ndarray
    digits: np.ndarray
    motion: Motion

    def __len__(self) -> int:
        return len(self.digits)


@dataclass(frozen=True, eq=False, kw_only=True)
class VideoDataset(Dataset):
    """Clips of one size and length, uint8 (N, T, H, W, C), of `rate` frames a second.

    `captions` says how captions of the clips become tokens, where they have any. The truths say,
    where the clips were made by a rule, what each of a split shows.
    """

    rate: float
    captions: Captions | None = None
    train_truth: ClipTruth | None = None
    reference_truth: ClipTruth | None = None

    @cached_property
    def form(self) -> VideoForm:
        frames, height, width, channels = self.train.items.shape[1:]
        shape = (channels, frames, height, width)
        if self.captions is not None:
            return CaptionedVideoForm(item_shape=shape, rate=self.rate, language=self.captions)
        return VideoForm(item_shape=shape, class_names=self.class_names, rate=self.rate)


@dataclass(frozen=True, eq=False, kw_only=True)
class CaptionedDataset(ImageDataset):
    """Images with captions, whose tokens are the splits' `captions`.

    `train_captions` and `reference_captions` hold a row for each image, the captions as they were
    written; one that is absent is empty. The images may be of several sizes, the commonest first.
    """

    captions: Captions
    train_captions: RawTexts
    reference_captions: RawTexts

    def __post_init__(self) -> None:
        for size in self.reference.places:
            if size not in self.train.places:
                raise DataError(
                    f"All images of {size[0]} x {size[1]} (height x width) are held out, and none "
                    "is left to train on. Hold out less with data.held_out, or allow fewer shapes "
                    "with data.buckets."
                )

    @cached_property
    def form(self) -> CaptionedForm:
        seen = super().form
        kept = {one.name: getattr(seen, one.name) for one in fields(seen)}
        sizes = tuple(self.train.places)
        return CaptionedForm(**kept, language=self.captions, sizes=sizes)

    def alike(self) -> CaptionedDataset:
        """See `Dataset.alike`."""
        if not self.train.places:
            return self
        size, place = next(iter(self.train.places.items()))
        held = self.reference.places.get(size, slice(0, 0))
        return replace(
            self,
            train=self.train.of_size(size),
            reference=self.reference.of_size(size),
            fingerprint=combined(("data", "size"), (self.fingerprint, in_words(size))),
            train_captions=self.train_captions.part(place),
            reference_captions=self.reference_captions.part(held),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class PointDataset(Dataset):
    """Points in the plane, float32 (N, 2)."""

    def __post_init__(self) -> None:
        for split in (self.train, self.reference):
            bad = np.flatnonzero(~np.isfinite(split.items).all(axis=1))
            if len(bad):
                raise DataError(
                    f"Point {bad[0]} is {split.items[bad[0]].tolist()}; every coordinate must be "
                    f"a finite number ({len(bad)} are not)."
                )

    @cached_property
    def form(self) -> PointForm:
        limit = float(np.abs(self.train.items).max()) * 1.1
        return PointForm(item_shape=(2,), class_names=self.class_names, limit=limit)


@dataclass(frozen=True, eq=False, kw_only=True)
class TextDataset(Dataset):
    """Tokens as `TextForm` describes them, and the texts they were made of, as they were read.

    `train_texts` and `reference_texts` hold a row for each item; of windows, one for each document.
    `test_texts` are rows of a third part that nothing is chosen by; None or empty: there is none.
    """

    text_form: TextForm
    train_texts: RawTexts
    reference_texts: RawTexts
    test_texts: RawTexts | None = None

    @property
    def form(self) -> TextForm:
        return self.text_form


@runtime_checkable
class OpensBeside(Protocol):
    """The config of data that can also be read from another file, to measure a run on it."""

    def open_beside(self, path: str, dataset: TextDataset) -> TextDataset:
        """`dataset`, with what is at `path` in the place of its held-out items.

        It is read with the words of `dataset`. Raises DataError where it cannot be used.
        """


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Round Gaussians that data is drawn from: `means` (K, D), `stds` (K,), `weights` (K,).

    The weights add up to 1; `labels` (K,) is the class of each, None where there are none.
    """

    means: np.ndarray
    stds: np.ndarray
    weights: np.ndarray
    labels: np.ndarray | None

    def of(self, label: int) -> Gaussians:
        """Those of a class alone."""
        if self.labels is None:
            raise ValueError(f"class {label} is asked for, and these Gaussians are of no classes")
        own = self.labels == label
        weights = self.weights[own] / self.weights[own].sum()
        return Gaussians(self.means[own], self.stds[own], weights, self.labels[own])


@runtime_checkable
class KnowsDensity(Protocol):
    """The config of data that is drawn from a known density."""

    def gaussians(self) -> Gaussians | None:
        """The density as a mixture, to rounding; None where it is not one."""
