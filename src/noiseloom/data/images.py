"""Images from a folder, MNIST's IDX files or Parquet files, prepared once and memory-mapped.

See `folder`, `idx` and `parquet_files` for the layouts, `huggingface` for data on the hub, `decode`
for what becomes of each pixel, `assembly` for what is held out, `prepared` for where arrays lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from noiseloom.config import option
from noiseloom.data.content import Progress
from noiseloom.data.dataset import ImageDataset
from noiseloom.data.encoded import Wanted
from noiseloom.data.folder import list_folder
from noiseloom.data.huggingface import PREFIX, fetch
from noiseloom.data.idx import find_idx
from noiseloom.data.image_files import ImageFiles
from noiseloom.data.parquet import ParquetSource
from noiseloom.data.parquet_files import find_parquet
from noiseloom.data.sources import FolderSource, IdxSource, Source
from noiseloom.errors import InputError

VERSION = 2  # of the rules from files to arrays: raised when they change


@dataclass(frozen=True, kw_only=True)
class Config(ImageFiles):
    """Images of your own."""

    path: str = option(
        help="a folder (sub-folders are classes), the place of MNIST's IDX files, Parquet files, or"
        " hf://OWNER/NAME"
    )
    labels: Literal["auto", "none"] = option("auto", "none: sub-folders and labels are not read")
    classes: tuple[str | int, ...] | None = option(None, "the classes to use; null: all")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes is not None and not self.classes:
            raise ValueError("classes is empty; name at least one, or write null for all")

    def describe_source(self) -> str:
        """The source in a few words."""
        return f"images from {self.path}"

    def open(self, progress: Progress | None = None) -> ImageDataset:
        """Prepare the images, or find them prepared.

        Raises InputError where the path is wrong, DataError where the data is, MachineError where
        the cache cannot be written.
        """
        wanted = self._wanted()
        source = find_source(self.path, wanted)
        prepared = self.prepare(source, wanted, progress, kind="images", version=VERSION)
        report = self.report(source, prepared)
        self.refuse(report)
        return ImageDataset(
            train=prepared.train,
            reference=prepared.reference,
            class_names=tuple(prepared.details["class_names"]),
            fingerprint=prepared.fingerprint,
            report=report,
            cache=prepared.learned,
            flip=self.flip,
            augment_probability=self.augment,
        )

    def _wanted(self) -> Wanted:
        classes = None if self.classes is None else tuple(sorted({str(c) for c in self.classes}))
        channels = None if self.channels == "auto" else self.channels
        return Wanted(self.size, channels, self.labels == "auto", classes, self.held_out)


def find_source(given: str, wanted: Wanted) -> Source:
    """What lies at a path; InputError where nothing does, or something that is no data set."""
    path = fetch(given) if given.startswith(PREFIX) else Path(given).expanduser()
    try:
        return _find_source(given, path, wanted)
    except OSError as error:
        raise InputError(f"{given} cannot be looked into: {error.strerror or error}.") from None


def _find_source(given: str, path: Path, wanted: Wanted) -> Source:
    if path.is_dir() or (not path.exists() and path.parent.is_dir()):
        found = find_idx(path)
        if found:
            return IdxSource(found)
    parquet = find_parquet(path)
    if parquet:
        return ParquetSource(parquet, wanted)
    if path.is_dir():
        return FolderSource(list_folder(path, labels=wanted.labels, classes=wanted.classes))
    if path.exists():
        raise InputError(
            f"{given} is a file. Allowed is a folder of images, one with MNIST's IDX files, or "
            "Parquet files; unpack an archive first."
        )
    raise InputError(
        f"There is nothing at {given} (looked for {path.absolute()}). Write data.path=FOLDER."
    )
