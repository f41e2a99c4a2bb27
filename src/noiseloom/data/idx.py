"""IDX, the format of MNIST's files: a big-endian header, then numbers, gzipped or not.

Header: two zero bytes, one byte for the type, one for the number of axes, then each axis as a
32-bit unsigned integer (yann.lecun.com/exdb/mnist, "The IDX file format"). `train-*` is trained on
and `t10k-*` (or `test-*`) is the reference, never trained on. Whole-number pixels must lie in
0..255; floating-point pixels in 0..1 (then times 255) or 0..255, and are rounded.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from noiseloom.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK_BYTES = 4 * 2**20
NAME = re.compile(
    r"(?P<part>train|t10k|test)[-_.](?P<what>images|labels)"
    r"([-_.]idx\d)?([-_.](u?byte|short|int|float|double))?(\.gz)?",
    re.IGNORECASE,
)


class IdxFile:
    """One IDX file: its shape and type from the header, its items read a chunk at a time.

    Raises DataError where the bytes are not what the header says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not magic[3]:
                raise DataError(
                    f"{path} is not an IDX file: it begins with {magic!r}, where two zero bytes, a "
                    "type and the number of axes should be. Download it again."
                )
            self.dtype, axes = np.dtype(TYPES[magic[2]]), magic[3]
            header = file.read(4 * axes)
            if len(header) < 4 * axes:
                raise DataError(f"{path} is cut short inside its header. Download it again.")
            self.shape = tuple(int(length) for length in np.frombuffer(header, ">u4"))
        self._start = 4 + 4 * axes

    def __len__(self) -> int:
        return self.shape[0]

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with self.path.open("rb") as raw:
                zipped = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                if zipped:
                    with gzip.GzipFile(fileobj=raw) as file:
                        yield file  # type: ignore[misc]
                else:
                    yield raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{self.path} is cut short or damaged ({error}). Download it again."
            ) from None
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror or error}.") from None

    def chunks(self) -> Iterator[np.ndarray]:
        """The items in order, some at a time, in the file's own type."""
        item = self.shape[1:]
        item_bytes = math.prod(item) * self.dtype.itemsize
        most, done = max(1, CHUNK_BYTES // max(1, item_bytes)), 0
        with self._opened() as file:
            file.read(self._start)
            while done < len(self):
                count = min(most, len(self) - done)
                content = file.read(count * item_bytes)
                if len(content) < count * item_bytes:
                    have = done + len(content) // max(1, item_bytes)
                    raise DataError(
                        f"{self.path} is cut short: its header says {len(self):,} items, there are "
                        f"{have:,}. Download it again."
                    )
                yield np.frombuffer(content, self.dtype).reshape(count, *item)
                done += count
            if file.read(1):
                raise DataError(
                    f"{self.path} goes on after the {len(self):,} items of its header. "
                    "Download it again."
                )


def read_idx(path: Path) -> np.ndarray:
    """A whole IDX file as one array in native byte order."""
    file = IdxFile(path)
    chunks = list(file.chunks())
    whole = np.concatenate(chunks) if chunks else np.empty(file.shape, file.dtype)
    return whole.astype(file.dtype.newbyteorder("="))


def pixel_chunks(file: IdxFile) -> Iterator[np.ndarray]:
    """The images of a file as uint8 (n, H, W, C); values nobody can read as grey are refused."""
    scale = 1.0 if file.dtype.kind != "f" else _float_scale(file)
    done = 0
    for chunk in file.chunks():
        pixels = chunk
        if file.dtype != np.dtype(">u1"):
            outside = np.flatnonzero(((chunk < 0) | (chunk > 255)).reshape(len(chunk), -1).any(1))
            if len(outside):
                raise DataError(
                    f"Image {done + outside[0]} of {file.path} has values outside 0..255."
                )
            pixels = np.rint(chunk * scale).astype(np.uint8)
        done += len(chunk)
        yield pixels.reshape(len(chunk), *image_shape(file))


def _float_scale(file: IdxFile) -> float:
    """255 where all values lie in 0..1, else 1; NaN and infinity are refused with their index."""
    done, largest = 0, 0.0
    for chunk in file.chunks():
        bad = np.flatnonzero(~np.isfinite(chunk).reshape(len(chunk), -1).all(1))
        if len(bad):
            raise DataError(
                f"Image {done + bad[0]} of {file.path} holds a number that is not finite (NaN or "
                "infinity). Remove or repair it."
            )
        done, largest = done + len(chunk), max(largest, float(chunk.max(initial=0)))
    return 255.0 if largest <= 1 else 1.0


def image_shape(file: IdxFile) -> tuple[int, int, int]:
    """(height, width, channels) of a file of images; DataError where it holds something else."""
    channels = file.shape[3] if len(file.shape) == 4 else 1
    if len(file.shape) not in (3, 4) or channels not in (1, 3) or 0 in file.shape[1:]:
        raise DataError(
            f"{file.path} has the shape {file.shape}; images are (number, height, width), or with "
            "1 or 3 channels at the end."
        )
    return (file.shape[1], file.shape[2], channels)


@dataclass(frozen=True)
class IdxSet:
    """The files of one data set by role ("train images", "t10k labels", …)."""

    files: dict[str, Path]
    notes: tuple[str, ...]


def find_idx(path: Path) -> IdxSet | None:
    """The IDX files in a folder, or with a common prefix (`DIR/emnist-letters-`); else None.

    Raises DataError where there is a reference and nothing to train on.
    """
    folder, prefix = (path, "") if path.is_dir() else (path.parent, path.name)
    files: dict[str, Path] = {}
    notes = []
    for candidate in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = NAME.fullmatch(candidate.name.removeprefix(prefix))
        if not match or not candidate.name.startswith(prefix) or not candidate.is_file():
            continue
        part = "train" if match["part"].lower() == "train" else "t10k"
        role = f"{part} {match['what'].lower()}"
        if role in files:  # sorted: the plain file comes before its .gz
            notes.append(f"{candidate.name} is not used: {files[role].name} stands for it")
        else:
            files[role] = candidate
    if not files:
        return None
    if "train images" not in files:
        raise DataError(
            f"{path} has {', '.join(sorted(file.name for file in files.values()))} but no "
            "train-images file. The reference is never trained on: add the training images."
        )
    if "t10k images" not in files:
        files.pop("t10k labels", None)
    return IdxSet(files, tuple(notes))


def read_labels(images: IdxFile, path: Path) -> np.ndarray:
    """The labels of a file of images, int64; DataError where they cannot belong to it."""
    labels = read_idx(path)
    if labels.ndim != 1 or labels.dtype.kind == "f" or labels.min(initial=0) < 0:
        raise DataError(
            f"{path} has the shape {labels.shape} and type {labels.dtype}; labels are "
            "one list of whole numbers from 0."
        )
    if len(labels) != len(images):
        raise DataError(
            f"{images.path.name} has {len(images):,} images, {path.name} has {len(labels):,} "
            "labels. Each image needs one: download both again."
        )
    return labels.astype(np.int64)
