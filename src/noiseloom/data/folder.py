"""A folder of image files: what is in it, which class each belongs to, what is left aside.

Layouts: images lying flat; one sub-folder a class (sorted by name, files at any depth below); and
either of these inside `train/` with `test/` (or `val/`, `valid/`, `validation/`) beside it, which
is then the reference. Links are followed, a link back to a folder above it is not. Hidden names
and files of other kinds are ignored and counted. Nothing is ever written here.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from noiseloom.data.decode import SUFFIXES
from noiseloom.data.skipped import Skipped, printable
from noiseloom.errors import DataError
from noiseloom.menu import nearest

REFERENCE_NAMES = ("test", "val", "valid", "validation")  # the first that is there is used
OUTSIDE = "outside the class folders"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file: its name below the root, its class (-1: none), and its part."""

    name: str
    label: int
    reference: bool


@dataclass
class Listing:
    """What a folder holds. `split` is whether it has a reference part of its own."""

    root: Path
    files: list[ImageFile] = field(default_factory=list)
    class_names: tuple[str, ...] = ()
    split: bool = False
    skipped: Skipped = field(default_factory=Skipped)
    ignored: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        inside = "folder with one sub-folder a class" if self.class_names else "folder of images"
        return f"{inside}, in train and reference parts" if self.split else inside

    def paths(self) -> list[tuple[str, Path]]:
        return [(file.name, self.root / file.name) for file in self.files]


def list_folder(root: Path, *, labels: bool, classes: tuple[str, ...] | None) -> Listing:
    """List the images below `root`; DataError where its layout cannot be read as asked."""
    listing = Listing(root)
    names = list(_walk(root, listing))
    parts = _parts(names, listing)
    listing.split = len(parts) == 2
    wanted: list[str] = []
    label_of: dict[str, int] = {}
    if labels or classes:
        wanted = _classes(parts[0], classes, listing)
    label_of = {name: label for label, name in enumerate(wanted)}
    for reference, part in enumerate(parts):
        for name, inner in part:
            top, below, _ = inner.partition("/")
            if wanted and (not below or top not in label_of):
                if below and classes:
                    listing.ignored["in a class not asked for"] += 1
                elif below:
                    raise DataError(
                        f"{root} has the class '{printable(top)}' in its reference part only. Add "
                        "it to train/, or name the classes to use with data.classes."
                    )
                else:
                    listing.skipped.add(name, OUTSIDE, "data.labels=none uses every image")
                continue
            label = label_of[top] if label_of and labels else -1
            listing.files.append(ImageFile(name, label, bool(reference)))
    if labels:
        listing.class_names = tuple(map(printable, wanted))
    return listing


def _parts(names: list[str], listing: Listing) -> list[list[tuple[str, str]]]:
    """(name, name within its part) for the training part, and the reference's if there is one."""
    tops = {name.partition("/")[0] for name in names if "/" in name}
    if "train" not in tops or not tops <= {"train", *REFERENCE_NAMES}:
        return [[(name, name) for name in names]]
    chosen = next((name for name in REFERENCE_NAMES if name in tops), None)
    parts: list[list[tuple[str, str]]] = [[], []] if chosen else [[]]
    for name in names:
        top, below, inner = name.partition("/")
        if not below:
            listing.skipped.add(name, "outside the train and reference folders")
        elif top in ("train", chosen):
            parts[top == chosen].append((name, inner))
        else:
            listing.ignored[f"in {top}, where {chosen} is the reference"] += 1
    return parts


def _classes(
    part: list[tuple[str, str]], asked: tuple[str, ...] | None, listing: Listing
) -> list[str]:
    """The classes of the training part, sorted by name; none where it is to be read as flat."""
    counts = Counter(inner.partition("/")[0] for _, inner in part if "/" in inner)
    for name in asked or ():
        if name not in counts:
            close = nearest(name, list(counts))
            have = ", ".join(sorted(printable(name) for name in counts)[:20]) or "no class folder"
            raise DataError(
                f"data.classes names '{name}', of which {listing.root} has no image. It has: "
                f"{have}." + (f" Did you mean '{close}'?" if close else "")
            )
    if asked:
        return sorted(set(asked))
    loose = len(part) - counts.total()
    if len(counts) == 1 and loose:
        listing.notes.append(
            f"The single sub-folder '{printable(next(iter(counts)))}' is no class beside the "
            "images around it: all are used, without labels."
        )
        return []
    return sorted(counts)


def _walk(root: Path, listing: Listing) -> Iterator[str]:
    """Names below the root of regular, non-empty files that are called images, in sorted order."""
    above: list[tuple[int, int]] = []

    def visit(folder: Path, prefix: str) -> Iterator[str]:
        try:
            facts = folder.stat()
            identity = (facts.st_dev, facts.st_ino)
            if identity in above:
                listing.skipped.add(prefix, "link to a folder above it")
                return
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            listing.skipped.add(prefix, "unreadable", error.strerror or "")
            return
        above.append(identity)
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith("."):
                listing.ignored["hidden"] += 1
            elif _is_folder(entry):
                yield from visit(folder / entry.name, f"{name}/")
            elif _is_usable(entry, name, listing):
                yield name
        above.pop()

    return visit(root, "")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_usable(entry: os.DirEntry[str], name: str, listing: Listing) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix not in SUFFIXES:
        listing.ignored[f"not an image ({printable(suffix) or 'no suffix'})"] += 1
        return False
    try:
        facts = entry.stat()
    except OSError as error:
        listing.skipped.add(name, "unreadable", error.strerror or "")
        return False
    if not stat.S_ISREG(facts.st_mode):
        listing.skipped.add(name, "not a regular file")
    elif facts.st_size == 0:
        listing.skipped.add(name, "empty")
    else:
        return True
    return False
