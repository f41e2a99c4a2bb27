"""Where images come from, and the way from there into an `Assembly`.

A source lists its files without reading them; `build` reads them all, a few at a time. Bad images
are left out and counted (the recipe's rule on them is applied to the count, in `images`); an IDX
file is one file of many images, so a fault in it refuses the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from noiseloom.data.assembly import Assembly, hash_of
from noiseloom.data.content import Progress
from noiseloom.data.decode import fit_pixels
from noiseloom.data.encoded import Gallery, Picture, Wanted, common_size, found
from noiseloom.data.folder import Listing
from noiseloom.data.idx import IdxFile, IdxSet, image_shape, pixel_chunks, read_labels
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.errors import DataError


class Source(Protocol):
    """Images at one place."""

    @property
    def kind(self) -> str: ...

    @property
    def split(self) -> bool:
        """Whether it has a reference part of its own."""

    @property
    def notes(self) -> list[str]: ...

    @property
    def skipped(self) -> Skipped: ...

    @property
    def ignored(self) -> Counter[str]: ...

    def paths(self) -> list[tuple[str, Path]]:
        """The files it is made of, each with a name that does not depend on where it lies."""

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        """Write the arrays into `folder` and answer what was found on the way."""


class FolderSource:
    """Image files below a folder."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.kind, self.split, self.notes = listing.kind, listing.split, listing.notes
        self.skipped, self.ignored = listing.skipped, listing.ignored

    def paths(self) -> list[tuple[str, Path]]:
        return self.listing.paths()

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        root, listing = self.listing.root, self.listing
        gallery = Gallery(
            root,
            len(listing.files),
            self._pictures,
            listing.class_names,
            listing.split,
            lambda bad: nothing_left(root, self, bad),
        )
        return gallery.build(folder, wanted, progress)

    def _pictures(self) -> Iterator[Picture]:
        root = self.listing.root
        return (Picture(f.name, f.label, f.reference, root / f.name) for f in self.listing.files)


def nothing_left(where: Path, source: Source, bad: Skipped) -> str:
    """The sentence for a folder without a single usable image."""
    skipped = source.skipped.merged(bad.merged({}))
    ignored = ", ".join(f"{count:,} {reason}" for reason, count in source.ignored.most_common(5))
    return (
        f"There is no usable image in {where}. "
        + (f"Skipped: {in_words(skipped)}. " if skipped["count"] else "")
        + (f"Ignored: {ignored}. " if ignored else "")
        + "Allowed are PNG, JPEG, WebP, BMP, GIF, TIFF and PNM files, MNIST's IDX "
        "files, and Parquet files with a column of images."
    )


class IdxSource:
    """MNIST's files: `train-*`, and `t10k-*` for the reference."""

    def __init__(self, found: IdxSet) -> None:
        self.files = found.files
        self.kind = "IDX files with labels" if "train labels" in found.files else "IDX files"
        self.split = "t10k images" in found.files
        self.notes, self.skipped = list(found.notes), Skipped()
        self.ignored: Counter[str] = Counter()

    def paths(self) -> list[tuple[str, Path]]:
        return list(self.files.items())

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        parts = [part for part in ("train", "t10k") if f"{part} images" in self.files]
        images = {part: IdxFile(self.files[f"{part} images"]) for part in parts}
        labels = self._labels(images) if wanted.labels or wanted.classes else {}
        values = np.unique(labels["train"]) if labels else np.empty(0, np.int64)
        names = [str(value) for value in values]
        kept = self._kept(names, wanted.classes)
        sizes: Counter[tuple[int, int]] = Counter()
        for file in images.values():
            height, width, _ = image_shape(file)
            sizes[width, height] += len(file)
        grey = all(image_shape(file)[2] == 1 for file in images.values())
        channels = wanted.channels or (1 if grey else 3)
        shape = (*common_size(wanted.size, sizes, images["train"].path.parent), channels)
        total = sum(map(len, images.values()))
        with closing(Assembly(folder, shape, total)) as assembly:
            for part in parts:
                index = np.searchsorted(values, labels[part]) if labels else None
                done = 0
                for chunk in pixel_chunks(images[part]):
                    for pixels in chunk:
                        label = -1 if index is None else int(index[done])
                        done += 1
                        if label in kept:
                            item = fit_pixels(pixels, wanted.size, channels)
                            label = label if wanted.labels else -1
                            assembly.add(item, label, hash_of(pixels.tobytes()), part == "t10k")
                    if progress:
                        progress("reading images", len(assembly), total)
            made = assembly.finish(names, None if len(parts) == 2 else wanted.held_out, progress)
        facts = found(sizes, Counter({"IDX": total}), wanted.size)
        return {**made, **facts, "skipped": Skipped().merged({})}

    def _labels(self, images: dict[str, IdxFile]) -> dict[str, np.ndarray]:
        """The labels of each part; empty where the training images have none."""
        if "train labels" not in self.files:
            return {}
        for part in images:
            if f"{part} labels" not in self.files:
                raise DataError(
                    f"{images[part].path.name} has no labels file while the training images have "
                    "one. Add it, or write data.labels=none."
                )
        labels = {
            part: read_labels(file, self.files[f"{part} labels"]) for part, file in images.items()
        }
        unknown = np.setdiff1d(labels.get("t10k", labels["train"]), labels["train"])
        if len(unknown):
            raise DataError(
                f"Label {unknown[0]} stands in {self.files['t10k labels'].name} but not in "
                f"{self.files['train labels'].name}: it could never be learned."
            )
        return labels

    def _kept(self, names: list[str], classes: tuple[str, ...] | None) -> set[int]:
        """The labels to use, as indices into `names`; -1 stands for no label."""
        if classes is None:
            return {-1, *range(len(names))}
        for name in classes:
            if name not in names:
                raise DataError(
                    f"data.classes names '{name}', of which there is no image. There are: "
                    f"{', '.join(names) or 'no labels'}."
                )
        return {names.index(name) for name in classes}
