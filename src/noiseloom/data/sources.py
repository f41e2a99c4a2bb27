"""Where images come from, and the way from there into an `Assembly`.

A source lists its files without reading them; `build` reads them all, once, a few at a time. Bad
image files are left out and counted (the recipe's rule on them is applied to the count, in
`images`); an IDX file is one file of many images, so a fault in it refuses the whole.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from noiseloom.data.assembly import Assembly, hash_of
from noiseloom.data.content import Progress, file_digest
from noiseloom.data.decode import BadImageError, Header, fit_pixels, quiet, read_header, read_image
from noiseloom.data.folder import ImageFile, Listing
from noiseloom.data.idx import IdxFile, IdxSet, image_shape, pixel_chunks, read_labels
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.errors import DataError, MachineError

LARGEST_UNASKED = 256  # pixels a side; larger images are only taken whole when data.size says so
WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Wanted:
    """How images are to be prepared: everything of the recipe that changes the arrays."""

    size: int | None
    channels: int | None  # None: grey where every image is grey
    labels: bool
    classes: tuple[str, ...] | None
    held_out: float


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
        bad = Skipped()
        with quiet():
            usable, headers = self._headers(bad, progress)
            if not usable:
                raise DataError(nothing_left(self.listing.root, self, bad))
            sizes = Counter((header.width, header.height) for header in headers)
            grey = all(header.grey for header in headers)
            channels = wanted.channels or (1 if grey else 3)
            shape = (*_common_size(wanted.size, sizes, self.listing.root), channels)
            with closing(Assembly(folder, shape, len(usable))) as assembly:
                for file, digest, pixels in _decoded(
                    self.listing.root, usable, wanted.size, channels
                ):
                    if isinstance(pixels, BadImageError):
                        bad.add(file.name, pixels.reason, pixels.detail)
                    else:
                        assembly.add(pixels, file.label, digest, file.reference)
                    if progress:
                        progress("decoding images", len(assembly) + len(bad), len(usable))
                if not len(assembly):
                    raise DataError(nothing_left(self.listing.root, self, bad))
                held_out = None if self.listing.split else wanted.held_out
                made = assembly.finish(self.listing.class_names, held_out, progress)
        modes = Counter(header.mode for header in headers)
        present = {made["only_class"], *made["class_names"]}
        made["lost_classes"] = [name for name in self.listing.class_names if name not in present]
        if wanted.classes and made["lost_classes"]:
            raise DataError(
                f"data.classes names '{made['lost_classes'][0]}', which has no usable image in "
                f"{self.listing.root}. Skipped: {in_words(bad.merged({}))}."
            )
        return {**made, **_found(sizes, modes, wanted.size), "skipped": bad.merged({})}

    def _headers(
        self, bad: Skipped, progress: Progress | None
    ) -> tuple[list[ImageFile], list[Header]]:
        usable, headers = [], []
        for done, file in enumerate(self.listing.files):
            try:
                headers.append(read_header(self.listing.root / file.name))
                usable.append(file)
            except BadImageError as error:
                bad.add(file.name, error.reason, error.detail)
            if progress:
                progress("reading headers", done + 1, len(self.listing.files))
        return usable, headers


def _decoded(
    root: Path, files: list[ImageFile], size: int | None, channels: int
) -> Iterator[tuple[ImageFile, int, np.ndarray | BadImageError]]:
    """Each file with its content's hash and its pixels or what is wrong with it, in order.

    A few are decoded at a time: Pillow lets go of the interpreter while it decodes.
    """

    def decode(file: ImageFile) -> tuple[ImageFile, int, np.ndarray | BadImageError]:
        path = root / file.name
        try:
            return file, hash_of(file_digest(path).encode()), read_image(path, size, channels)
        except BadImageError as error:
            return file, 0, error
        except MemoryError:
            raise MachineError(
                f"There is not enough memory to decode {path}. Close other programs, or make the "
                "image smaller."
            ) from None

    waiting: deque[Future[tuple[ImageFile, int, np.ndarray | BadImageError]]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for file in files:
                waiting.append(pool.submit(decode, file))
                if len(waiting) > WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _common_size(size: int | None, sizes: Counter[tuple[int, int]], where: Path) -> tuple[int, int]:
    """(height, width) of the prepared images."""
    if size is not None:
        return size, size
    if len(sizes) > 1:
        listed = ", ".join(f"{w} x {h} ({n:,})" for (w, h), n in sizes.most_common(5))
        more = f" and {len(sizes) - 5} more" if len(sizes) > 5 else ""
        raise DataError(
            f"The images of {where} have {len(sizes)} different sizes: {listed}{more}. "
            "Write data.size=32 (or another number of pixels) to bring them to one."
        )
    width, height = next(iter(sizes))
    if max(width, height) > LARGEST_UNASKED:
        raise DataError(
            f"The images of {where} are {width} x {height}, more than training takes unasked "
            f"({LARGEST_UNASKED} a side). Write data.size=32 (or another number of pixels)."
        )
    return height, width


def _found(
    sizes: Counter[tuple[int, int]], modes: Counter[str], size: int | None
) -> dict[str, Any]:
    """What the images looked like before they were prepared."""
    return {
        "sizes": {f"{w} x {h}": count for (w, h), count in sizes.most_common(10)},
        "different_sizes": len(sizes),
        "modes": dict(modes.most_common()),
        "cropped": sum(n for (w, h), n in sizes.items() if size is not None and w != h),
        "enlarged": sum(n for (w, h), n in sizes.items() if size is not None and min(w, h) < size),
    }


def nothing_left(where: Path, source: Source, bad: Skipped) -> str:
    """The sentence for a folder without a single usable image."""
    skipped = source.skipped.merged(bad.merged({}))
    ignored = ", ".join(f"{count:,} {reason}" for reason, count in source.ignored.most_common(5))
    return (
        f"There is no usable image in {where}. "
        + (f"Skipped: {in_words(skipped)}. " if skipped["count"] else "")
        + (f"Ignored: {ignored}. " if ignored else "")
        + "Allowed are PNG, JPEG, WebP, BMP, GIF, TIFF and PNM files, or MNIST's IDX files."
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
        shape = (*_common_size(wanted.size, sizes, images["train"].path.parent), channels)
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
        found = _found(sizes, Counter({"IDX": total}), wanted.size)
        return {**made, **found, "skipped": Skipped().merged({})}

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
