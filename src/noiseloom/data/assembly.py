"""Decoded items to the two splits on disk, in memory that does not grow with their pixels.

Items are appended to one file as they come. At the end each is known to be trained on or held out,
and the file is copied into `train_items.npy` and `reference_items.npy` a chunk at a time. What is
held out without a split of the source's own: an item goes to the reference when the hash of its
bytes, read as a fraction, is below `held_out`. So adding a file moves no other, and equal files
never stand on both sides. A class of `REPRESENTED` or more that got nothing gives its item of
smallest hash; a class that lost everything gets the one of largest hash back; a class of one item
is trained on.
"""

from __future__ import annotations

import hashlib
import shutil
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.data.content import Progress
from noiseloom.errors import DataError, MachineError

REPRESENTED = 10
CHUNK_BYTES = 4 * 2**20


def hash_of(content: bytes) -> int:
    """64 bits of the content's hash: what decides whether an item is held out."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little")


class Assembly:
    """Appends uint8 items (H, W, C) of one shape; `finish` makes the splits from them.

    Where they are `mixed`, images may be smaller than that: such a one lies in the upper left
    corner of its item, and the sizes of all are kept beside, as `train_sizes.npy` and so on.
    """

    def __init__(
        self, folder: Path, item_shape: tuple[int, ...], expected: int, *, mixed: bool = False
    ) -> None:
        self.folder, self.item_shape = folder, item_shape
        self.item_bytes = int(np.prod(item_shape))
        self._check_space(2 * expected * self.item_bytes)
        self._file = (folder / "items.raw").open("wb")
        self._sizes: array[int] | None = array("i") if mixed else None
        self._labels, self._reference = array("q"), array("b")
        self._hashes, self._pixels = array("Q"), array("Q")
        self.reference = np.empty(0, dtype=bool)  # of each item, once finished

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise MachineError(
                f"Preparing the data needs about {needed / 1e6:,.0f} MB under "
                f"{self.folder.parent}, which has {free / 1e6:,.0f} MB free. Free some space, name "
                "another folder with data.cache=DIR, or choose a smaller data.size."
            )

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, item: np.ndarray, label: int, content_hash: int, reference: bool = False) -> None:
        """Append one item; `label` is -1 where there is none."""
        if self._sizes is not None:
            height, width = item.shape[:2]
            self._sizes.extend((height, width))
            canvas = np.zeros(self.item_shape, np.uint8)
            canvas[:height, :width] = item
            item = canvas
        content = np.ascontiguousarray(item).tobytes()
        self._file.write(content)
        self._labels.append(label)
        self._reference.append(reference)
        self._hashes.append(content_hash)
        self._pixels.append(hash_of(content))

    def close(self) -> None:
        self._file.close()
        (self.folder / "items.raw").unlink(missing_ok=True)

    def finish(
        self, names: Sequence[str], held_out: float | None, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Write the splits and say what is in them; `names` are the classes by label.

        `held_out` is None where `add` was told what the reference is. Classes left without an item
        are dropped and the labels counted anew; fewer than two classes make unlabelled data.
        """
        self._file.flush()
        if not len(self):
            raise DataError("No usable item is left. Add images.")
        labels = np.frombuffer(self._labels, dtype=np.int64)
        reference = np.frombuffer(self._reference, dtype=np.int8).astype(bool)
        pixels = np.frombuffer(self._pixels, dtype=np.uint64)
        if held_out is not None:
            hashes = np.frombuffer(self._hashes, dtype=np.uint64)
            reference = choose_held_out(hashes, labels, held_out)
        _check_sides(reference)
        self.reference = reference
        present = [int(label) for label in np.unique(labels) if label >= 0]
        labelled = len(present) > 1
        if labelled:
            _check_trained(labels, reference, names)
            labels = np.searchsorted(present, labels)
        self._copy(reference, progress)
        for name, side in (("train", ~reference), ("reference", reference)):
            if labelled:
                np.save(self.folder / f"{name}_labels.npy", labels[side])
            if self._sizes is not None:
                sizes = np.frombuffer(self._sizes, dtype=np.int32).reshape(-1, 2)
                np.save(self.folder / f"{name}_sizes.npy", sizes[side])
        classes = [names[label] for label in present] if labelled else []
        return {
            "class_names": classes,
            "only_class": names[present[0]] if len(present) == 1 else None,
            "counts": {"train": int((~reference).sum()), "reference": int(reference.sum())},
            "classes": _class_counts(classes, labels, reference),
            "duplicates": _duplicates(pixels, reference),
        }

    def _copy(self, reference: np.ndarray, progress: Progress | None) -> None:
        chunk = max(1, CHUNK_BYTES // self.item_bytes)
        train_path, reference_path = (
            self.folder / f"{name}_items.npy" for name in ("train", "reference")
        )
        with (
            (self.folder / "items.raw").open("rb") as source,
            train_path.open("wb") as train_file,
            reference_path.open("wb") as reference_file,
        ):
            for file, side in ((train_file, ~reference), (reference_file, reference)):
                header = {
                    "descr": "|u1",
                    "fortran_order": False,
                    "shape": (int(side.sum()), *self.item_shape),
                }
                np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(reference), chunk):
                side = reference[start : start + chunk]
                items = np.fromfile(source, np.uint8, len(side) * self.item_bytes)
                items = items.reshape(len(side), self.item_bytes)
                train_file.write(items[~side].tobytes())
                reference_file.write(items[side].tobytes())
                if progress:
                    progress("writing arrays", start + len(side), len(reference))


def choose_held_out(hashes: np.ndarray, labels: np.ndarray, fraction: float) -> np.ndarray:
    """Which items are held out, as booleans, by the rule in this file's first words."""
    held = hashes < np.uint64(int(fraction * (2**64 - 1)))
    divisible = np.zeros(len(hashes), dtype=bool)
    for label in np.unique(labels):
        mine = labels == label
        own = hashes[mine]
        if own.min() == own.max():  # one item, or copies of it, cannot stand on both sides
            held[mine] = False
        elif not held[mine].any() and len(own) >= REPRESENTED:
            held[mine & (hashes == own.min())] = True
        elif held[mine].all():
            held[mine & (hashes == own.max())] = False
        divisible |= mine & (own.min() != own.max())
    if not held.any() and divisible.any():
        held = divisible & (hashes == hashes[divisible].min())
    return held


def _check_sides(reference: np.ndarray) -> None:
    if not reference.any() or reference.all():
        raise DataError(
            f"The {len(reference)} usable images cannot be divided: at least one must be trained "
            "on and a different one of its class held out. Add images, or write data.labels=none "
            "where every class has a single one."
        )


def _check_trained(labels: np.ndarray, reference: np.ndarray, names: Sequence[str]) -> None:
    missing = np.setdiff1d(labels[reference], labels[~reference])
    if len(missing):
        raise DataError(
            f"Class '{names[int(missing[0])]}' is in the reference but has nothing to train on. "
            "Add images of it to the training part, or leave it out with data.classes."
        )


def _class_counts(
    classes: Sequence[str], labels: np.ndarray, reference: np.ndarray
) -> dict[str, dict[str, int]]:
    if not classes:
        return {}
    train = np.bincount(labels[~reference], minlength=len(classes))
    held = np.bincount(labels[reference], minlength=len(classes))
    return {
        name: {"train": int(train[index]), "reference": int(held[index])}
        for index, name in enumerate(classes)
    }


def _duplicates(pixels: np.ndarray, reference: np.ndarray) -> dict[str, int]:
    """Items whose prepared pixels another item has too."""
    train, held = pixels[~reference], pixels[reference]
    return {
        "within_train": len(train) - len(np.unique(train)),
        "reference_items_also_in_train": int(np.isin(held, train).sum()),
    }
