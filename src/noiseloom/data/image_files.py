"""What every data set of image files is told, and the way from a source of them to a `Dataset`."""

from __future__ import annotations

import hashlib
import json
from abc import ABC
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from noiseloom.config import option
from noiseloom.data.augmentation import HELP, check_probability
from noiseloom.data.content import Progress, content_hash, signature
from noiseloom.data.encoded import Wanted
from noiseloom.data.prepared import Prepared, cache_root, key_of, open_prepared
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.data.sources import Source, nothing_left
from noiseloom.errors import DataError

FEW, FEW_HELD_OUT = 500, 100  # images below which a warning is given
BUCKETED = ("buckets", "cut_away", "cut_away_to_squares")  # facts of images of several shapes


@dataclass(frozen=True, kw_only=True)
class ImageFiles(ABC):
    """Image files at a path, brought to one size."""

    path: str
    size: int | None = option(
        None, "pixels a side after cutting out the middle square; null: the images' own size"
    )
    channels: Literal["auto", 1, 3] = option("auto", "1 grey, 3 colour, auto: grey if all are grey")
    flip: bool = option(
        False, "mirror half of the training images left-right, drawn anew each time; not for digits"
    )
    augment: float = option(0.0, HELP)
    held_out: float = option(
        0.1, "share held out as the reference where the data has no test part of its own"
    )
    bad_files: Literal["skip", "refuse"] = option("skip", "what to do about unusable files")
    max_bad: float = option(0.25, "share of unusable files above which the data is refused anyway")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path is empty; write data.path=FOLDER")
        if self.size is not None and not 1 <= self.size <= 4096:
            raise ValueError(f"size is {self.size}; allowed is 1 to 4096 pixels, or null")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        check_probability(self.augment)
        if not 0 <= self.max_bad < 1:
            raise ValueError(f"max_bad is {self.max_bad}; allowed is 0 to below 1")

    def prepare(
        self, source: Source, wanted: Wanted, progress: Progress | None, **facts: Any
    ) -> Prepared:
        """The images of `source`, prepared now or before; `facts` are all else that arrays hold.

        Raises DataError where none can be used, or files change while they are read, and
        MachineError where the cache cannot be written.
        """
        root, files = cache_root(self.cache), source.paths()
        if not files:
            raise DataError(nothing_left(Path(self.path), source, Skipped()))
        before = signature(files)
        content = content_hash(files, root / "sources" / self._memory(wanted), progress)
        key = key_of(content=content, wanted=asdict(wanted), **facts)

        def build(folder: Path) -> dict[str, Any]:
            details = source.build(folder, wanted, progress)
            if signature(files) != before:
                raise DataError(
                    f"Files in {self.path} changed while they were read. Let whatever writes them "
                    "finish, then run again."
                )
            return details

        return open_prepared(root, key, build)

    def report(self, source: Source, prepared: Prepared) -> dict[str, Any]:
        """What becomes `data_report.json`: the same on every opening of the same data."""
        details = prepared.details
        skipped = source.skipped.merged(details["skipped"])
        counts = details["counts"]
        used = counts["train"] + counts["reference"]
        return {
            "source": self.path,
            "kind": source.kind,
            "counts": {
                "used": used,
                **counts,
                "skipped": skipped["count"],
                "ignored": source.ignored.total(),
            },
            "classes": details["classes"],
            "skipped": skipped,
            "ignored": dict(source.ignored.most_common(20)),
            "sizes": details["sizes"],
            "different_sizes": details["different_sizes"],
            "modes": details["modes"],
            "cropped": details["cropped"],
            "enlarged": details["enlarged"],
            **{name: details[name] for name in BUCKETED if name in details},
            "duplicates": details["duplicates"],
            "reference": "the data's own test part"
            if source.split
            else f"held out by content hash, a share of {self.held_out:g}",
            "item_shape": list(prepared.train.items.shape[1:]),
            "fingerprint": prepared.fingerprint,
            "notes": source.notes,
            "warnings": _warnings(details, counts, skipped),
        }

    def refuse(self, report: dict[str, Any]) -> None:
        """The rule on bad files: DataError where there are more than it allows."""
        skipped, used = report["skipped"], report["counts"]["used"]
        if not skipped["count"]:
            return
        total = used + skipped["count"]
        first = "; ".join(f"{bad['file']} ({bad['reason']})" for bad in skipped["files"][:3])
        fault = (
            f"{skipped['count']:,} of the {total:,} files in {self.path} cannot be used: "
            f"{in_words(skipped)}. First: {first}."
        )
        if self.bad_files == "refuse":
            raise DataError(f"{fault} Remove or repair them, or write data.bad_files=skip.")
        if skipped["count"] / total > self.max_bad:
            raise DataError(
                f"{fault} That is more than data.max_bad={self.max_bad:g} allows. Remove or repair "
                "them, or raise it."
            )

    def _memory(self, wanted: Wanted) -> str:
        """The name of the file that remembers this source's content hash."""
        facts = [str(Path(self.path).expanduser().absolute()), wanted.labels, wanted.classes]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32] + ".json"


def _warnings(
    details: dict[str, Any], counts: dict[str, int], skipped: dict[str, Any]
) -> list[str]:
    """What a person should know before training on this."""
    said = []
    if skipped["count"]:
        said.append(f"{skipped['count']:,} files cannot be used: {in_words(skipped)}.")
    if details.get("lost_classes"):
        lost = ", ".join(details["lost_classes"][:5])
        said.append(f"Classes without a usable image are left out: {lost}.")
    single = [name for name, n in details["classes"].items() if sum(n.values()) == 1]
    if single:
        said.append(
            f"{len(single)} classes have a single image ({', '.join(single[:5])}): the model can "
            "only copy it, and nothing of them is held out."
        )
    if details["only_class"] is not None:
        said.append(
            f"There is one class only ('{details['only_class']}'), so the labels say nothing and "
            "are not used."
        )
    if counts["train"] < FEW:
        said.append(f"{counts['train']:,} training images are few: expect copies of them.")
    if counts["reference"] < FEW_HELD_OUT:
        said.append(
            f"{counts['reference']:,} held-out images are few: figures measured against them are "
            "rough."
        )
    if details["enlarged"]:
        said.append(f"{details['enlarged']:,} images are smaller than data.size and were enlarged.")
    both = details["duplicates"]["reference_items_also_in_train"]
    if both:
        said.append(
            f"{both:,} held-out images are also among the training images: figures flatter the "
            "model by that much."
        )
    return said
