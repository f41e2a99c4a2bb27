"""Encoded images (files, or bytes out of a larger file) to prepared arrays, in two passes.

First every header is read: sizes, and whether all are grey. Then what is usable is decoded, a few
at a time, into an `Assembly`. Nothing is kept of an image but its header's facts, counted, and the
number of its size. Where images are put into buckets, one bucket comes after the other.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.data.assembly import Assembly, hash_of
from noiseloom.data.buckets import Buckets, Sorted
from noiseloom.data.content import Progress, file_digest
from noiseloom.data.decode import BadImageError, Encoded, Size, quiet, read_header, read_image
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.errors import DataError, MachineError

LARGEST_UNASKED = 256  # pixels a side; larger images are only taken whole when data.size says so
WORKERS = min(4, os.cpu_count() or 1)

Pixels = np.ndarray | BadImageError


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded image: what to call it, its class (-1: none), its part, and where it is.

    `place` is the number of what belongs to it and is kept elsewhere, such as captions.
    """

    name: str
    label: int
    reference: bool
    encoded: Encoded
    place: int = -1


@dataclass(frozen=True)
class Wanted:
    """How images are to be prepared: everything of the recipe that changes the arrays."""

    size: int | None
    channels: int | None  # None: grey where every image is grey
    labels: bool
    classes: tuple[str, ...] | None
    held_out: float


@dataclass
class Headers:
    """What the first pass found: counts, and each picture's size, None of one that is unusable.

    Sizes are (width, height), those of `trained` without the pictures of a reference part.
    """

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    trained: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    grey: bool = True
    numbers: array[int] = field(default_factory=lambda: array("i"))  # into `sizes`, -1: unusable

    def of_each(self) -> Iterator[tuple[int, int] | None]:
        """The size of each picture."""
        known = list(self.sizes)
        return (None if number < 0 else known[number] for number in self.numbers)


@dataclass(frozen=True)
class Gallery:
    """Pictures that can be gone through as often as wanted, always in the same order.

    `nothing_left` makes the sentence for a gallery without one usable picture. `keep_beside` is
    given the folder, the places of the pictures that were used and which of them are the reference;
    it keeps there what belongs to them, and answers what was found in that. With `buckets` images
    are brought to the nearest of several shapes, of the area of a square of the size wanted.
    """

    where: Path
    total: int
    pictures: Callable[[], Iterator[Picture]]
    class_names: Sequence[str]
    split: bool
    nothing_left: Callable[[Skipped], str]
    keep_beside: Callable[[Path, np.ndarray, np.ndarray], dict[str, Any]] | None = None
    buckets: Buckets | None = None

    def build(self, folder: Path, wanted: Wanted, progress: Progress | None) -> dict[str, Any]:
        """Write the arrays into `folder` and answer what was found on the way."""
        bad = Skipped()
        with quiet():
            headers = self._headers(bad, progress)
            number = headers.sizes.total()
            if not number:
                raise DataError(self.nothing_left(bad))
            channels = wanted.channels or (1 if headers.grey else 3)
            shapes = self._sorted(wanted, headers)
            shape = shapes.canvas if shapes else common_size(wanted.size, headers.sizes, self.where)
            places = array("q")
            mixed = shapes is not None and len(shapes.shapes) > 1
            with closing(Assembly(folder, (*shape, channels), number, mixed=mixed)) as assembly:
                usable = self._usable(headers, wanted.size, shapes)
                for picture, digest, pixels in _decoded(usable, channels):
                    if isinstance(pixels, BadImageError):
                        bad.add(picture.name, pixels.reason, pixels.detail)
                    else:
                        assembly.add(pixels, picture.label, digest, picture.reference)
                        places.append(picture.place)
                    if progress:
                        progress("decoding images", len(assembly) + len(bad), self.total)
                if not len(assembly):
                    raise DataError(self.nothing_left(bad))
                made = assembly.finish(
                    self.class_names, None if self.split else wanted.held_out, progress
                )
            if self.keep_beside is not None:
                made |= self.keep_beside(folder, np.array(places), assembly.reference)
        made["lost_classes"] = self._lost_classes(made, wanted, bad)
        facts = found(headers.sizes, headers.modes, wanted.size)
        if shapes is not None:
            facts |= shapes.found(headers.sizes)
        return {**made, **facts, "skipped": bad.merged({})}

    def _sorted(self, wanted: Wanted, headers: Headers) -> Sorted | None:
        """What images become where there are buckets."""
        if self.buckets is None or wanted.size is None:
            return None
        return self.buckets.sorted(wanted.size, headers.trained, headers.sizes)

    def _usable(
        self, headers: Headers, size: int | None, shapes: Sorted | None
    ) -> Iterator[tuple[Picture, Size | None]]:
        """Each usable picture with the size it is brought to, a bucket after the other."""
        if shapes is None:
            for picture, own in zip(self.pictures(), headers.of_each(), strict=True):
                if own is not None:
                    yield picture, size
            return
        for shape in shapes.shapes:
            for picture, own in zip(self.pictures(), headers.of_each(), strict=True):
                if own is not None and shapes.of[own] == shape:
                    yield picture, shape

    def _headers(self, bad: Skipped, progress: Progress | None) -> Headers:
        headers, numbers = Headers(), dict[tuple[int, int], int]()
        for done, picture in enumerate(self.pictures()):
            try:
                header = read_header(picture.encoded)
                size = header.width, header.height
                headers.sizes[size] += 1
                headers.trained[size] += not picture.reference
                headers.modes[header.mode] += 1
                headers.grey &= header.grey
                headers.numbers.append(numbers.setdefault(size, len(numbers)))
            except BadImageError as error:
                bad.add(picture.name, error.reason, error.detail)
                headers.numbers.append(-1)
            if progress:
                progress("reading headers", done + 1, self.total)
        return headers

    def _lost_classes(self, made: dict[str, Any], wanted: Wanted, bad: Skipped) -> list[str]:
        present = {made["only_class"], *made["class_names"]}
        lost = [name for name in self.class_names if name not in present]
        if wanted.classes and lost:
            raise DataError(
                f"data.classes names '{lost[0]}', which has no usable image in {self.where}. "
                f"Skipped: {in_words(bad.merged({})) or 'none'}."
            )
        return lost


def _decoded(
    pictures: Iterator[tuple[Picture, Size | None]], channels: int
) -> Iterator[tuple[Picture, int, Pixels]]:
    """Each picture with its content's hash and its pixels or what is wrong with it, in order.

    Pictures come with the size that they are brought to. A few are decoded at a time: Pillow lets
    go of the interpreter while it decodes.
    """

    def decode(picture: Picture, size: Size | None) -> tuple[Picture, int, Pixels]:
        try:
            digest = hash_of(digest_of(picture.encoded).encode())
            return picture, digest, read_image(picture.encoded, size, channels)
        except BadImageError as error:
            return picture, 0, error
        except MemoryError:
            raise MachineError(
                f"There is not enough memory to decode {picture.name}. Close other programs, or "
                "make the image smaller."
            ) from None

    waiting: deque[Future[tuple[Picture, int, Pixels]]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for picture, size in pictures:
                waiting.append(pool.submit(decode, picture, size))
                if len(waiting) > WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def digest_of(encoded: Encoded) -> str:
    """SHA-256 of the encoded bytes: equal wherever they lie, in a file or inside another."""
    if isinstance(encoded, bytes):
        return hashlib.sha256(encoded).hexdigest()
    return file_digest(encoded)


def common_size(size: int | None, sizes: Counter[tuple[int, int]], where: Path) -> tuple[int, int]:
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


def found(sizes: Counter[tuple[int, int]], modes: Counter[str], size: int | None) -> dict[str, Any]:
    """What the images looked like before they were prepared."""
    return {
        "sizes": {f"{w} x {h}": count for (w, h), count in sizes.most_common(10)},
        "different_sizes": len(sizes),
        "modes": dict(modes.most_common()),
        "cropped": sum(n for (w, h), n in sizes.items() if size is not None and w != h),
        "enlarged": sum(n for (w, h), n in sizes.items() if size is not None and min(w, h) < size),
    }
