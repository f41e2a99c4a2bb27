"""Clips of your own, from a folder, prepared once and memory-mapped.

See `clip_files` for what is a clip and how one is read. All items are of one size, one number of
frames and one rate: a clip gives as many items as it is long, one after the other, the rest at its
end is left; one that is shorter is skipped. All that one file gives stands on one side, by the hash
of its bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.assembly import Assembly, hash_of
from noiseloom.data.clip_files import ClipFile, Found, find_clips, needs_av, read_clip
from noiseloom.data.content import Progress, combined, content_hash, file_digest
from noiseloom.data.dataset import VideoDataset
from noiseloom.data.decode import BadImageError, quiet
from noiseloom.data.prepared import Prepared, cache_root, key_of, open_prepared
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.errors import DataError, InputError

VERSION = 1  # of the rules from files to arrays: raised when they change
FEW = 100  # items below which a warning is given
TOO_SHORT = "shorter than data.frames"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Clips of your own: a folder of GIF, MP4, or folders of frames."""

    path: str = option(help="a folder of GIF or video files, or of folders of frames")
    size: Annotated[int, Ge(1)] = option(
        32, "pixels a side, after cutting out the middle square of each frame"
    )
    frames: Annotated[int, Ge(2)] = option(16, "frames of an item, one after the other in its clip")
    rate: float | None = option(
        None, "frames a second, to which clips of another rate are brought; null: the commonest"
    )
    channels: Literal[1, 3] = option(3, "1 grey, 3 colour")
    held_out: float = option(0.1, "share of the clips held out as the reference")
    bad_files: Literal["skip", "refuse"] = option("skip", "what to do about unusable clips")
    max_bad: float = option(0.25, "share of unusable clips above which the data is refused anyway")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path is empty; write data.path=FOLDER")
        if self.size > 1024:
            raise ValueError(f"size is {self.size}; allowed is 1 to 1024 pixels")
        if self.rate is not None and not 0 < self.rate <= 100:
            raise ValueError(f"rate is {self.rate:g}; allowed is above 0, up to 100, or null")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        if not 0 <= self.max_bad < 1:
            raise ValueError(f"max_bad is {self.max_bad}; allowed is 0 to below 1")

    def describe_source(self) -> str:
        """The source in a few words."""
        return f"clips from {self.path}"

    def open(self, progress: Progress | None = None) -> VideoDataset:
        """Prepare the clips, or find them prepared.

        Raises InputError where the path is wrong or av is missing, DataError where the clips cannot
        be used, MachineError where the cache cannot be written.
        """
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise InputError(
                f"There is no folder at {self.path} (looked for {root.absolute()}). Write "
                "data.path=FOLDER: one of GIF or video files, or of folders of frames."
            )
        found = find_clips(root)
        if not found.clips:
            raise DataError(self._nothing_left(found.skipped))
        needs_av(found.clips)
        files = [
            (path.relative_to(root).as_posix(), path) for clip in found.clips for path in clip.paths
        ]
        cache = cache_root(self.cache)
        memory = hashlib.sha256(f"clips {root.absolute()}".encode()).hexdigest()[:32]
        key = key_of(
            kind="video",
            version=VERSION,
            content=content_hash(files, cache / "sources" / f"{memory}.json", progress),
            size=self.size,
            frames=self.frames,
            rate=self.rate,
            channels=self.channels,
            held_out=self.held_out,
        )
        prepared = open_prepared(cache, key, lambda folder: self._build(folder, found, progress))
        report = self._report(prepared, found)
        self._refuse(report)
        return VideoDataset(
            train=prepared.train,
            reference=prepared.reference,
            class_names=(),
            fingerprint=prepared.fingerprint,
            report=report,
            cache=prepared.learned,
            rate=prepared.details["rate"],
        )

    def _build(self, folder: Path, found: Found, progress: Progress | None) -> dict[str, Any]:
        """Write the arrays into `folder`; every clip is read once for its rate, once for itself."""
        bad, rates, lengths = Skipped(), Counter[float](), Counter[int]()
        with quiet():
            facts = {
                clip: length_and_rate
                for done, clip in enumerate(found.clips)
                if (length_and_rate := self._look(clip, bad, done, len(found.clips), progress))
            }
            for length, own in facts.values():
                lengths[length] += 1
                if own is not None:
                    rates[own] += 1
            rate = self.rate or (rates.most_common(1)[0][0] if rates else 8.0)
            shape = (self.frames, self.size, self.size, self.channels)
            expected = sum(length // self.frames + 1 for length, _ in facts.values())
            left, used, resampled = 0, 0, 0
            with closing(Assembly(folder, shape, expected)) as assembly:
                for done, (clip, (_, own)) in enumerate(facts.items()):
                    whole = read_clip(clip, self.size, self.channels)
                    frames = whole.at_rate(rate)
                    number, rest = divmod(len(frames), self.frames)
                    if not number:
                        bad.add(clip.name, TOO_SHORT, f"{len(frames)} frames at {rate:g} a second")
                        continue
                    used, left = used + 1, left + rest
                    resampled += own is not None and not whole.has_rate(rate)
                    digest = hash_of(_bytes_of(clip))
                    for item in np.split(frames[: number * self.frames], number):
                        assembly.add(item, -1, digest)
                    if progress:
                        progress("reading clips", done + 1, len(facts))
                if not len(assembly):
                    raise DataError(self._nothing_left(bad))
                made = assembly.finish([], self.held_out, progress)
        return {
            **made,
            "rate": rate,
            "clips": used,
            "frames_left": left,
            "resampled": resampled,
            "rates": {f"{one:g}": count for one, count in rates.most_common(10)},
            "lengths": {str(one): count for one, count in lengths.most_common(10)},
            "skipped": bad.merged({}),
        }

    def _look(
        self, clip: ClipFile, bad: Skipped, done: int, total: int, progress: Progress | None
    ) -> tuple[int, float | None] | None:
        """A clip's number of frames and rate; None, and counted, where it cannot be read."""
        if progress:
            progress("looking at clips", done + 1, total)
        try:
            frames = read_clip(clip, self.size, self.channels)
        except BadImageError as error:
            bad.add(clip.name, error.reason, error.detail)
            return None
        return len(frames.pixels), frames.rate

    def _nothing_left(self, bad: Skipped) -> str:
        skipped = bad.merged({})
        return (
            f"There is no usable clip in {self.path}. "
            + (f"Skipped: {in_words(skipped)}. " if skipped["count"] else "")
            + f"Allowed are GIF, WebP and video files, and folders of frames, of at least "
            f"data.frames={self.frames} frames."
        )

    def _report(self, prepared: Prepared, found: Found) -> dict[str, Any]:
        """What becomes `data_report.json`."""
        details = prepared.details
        skipped = found.skipped.merged(details["skipped"])
        counts, rate = details["counts"], details["rate"]
        warnings = []
        if skipped["count"]:
            warnings.append(f"{skipped['count']:,} clips cannot be used: {in_words(skipped)}.")
        if details["resampled"]:
            warnings.append(
                f"{details['resampled']:,} clips are of another rate and were brought to {rate:g} "
                "frames a second (data.rate)."
            )
        if counts["train"] < FEW:
            warnings.append(f"{counts['train']:,} training items are few: expect copies of them.")
        return {
            "source": self.path,
            "kind": "a folder of clips",
            "counts": {"used": sum(counts.values()), **counts, "skipped": skipped["count"]},
            "clips": details["clips"],
            "rate": rate,
            "rates": details["rates"],
            "lengths": details["lengths"],
            "resampled": details["resampled"],
            "frames_left": details["frames_left"],
            "skipped": skipped,
            "duplicates": details["duplicates"],
            "reference": f"held out by content hash, a share of {self.held_out:g} of the clips",
            "item_shape": list(prepared.train.items.shape[1:]),
            "fingerprint": prepared.fingerprint,
            "notes": [
                f"{details['frames_left']:,} frames at the ends of clips fill no item of "
                f"{self.frames} and are left."
            ]
            if details["frames_left"]
            else [],
            "warnings": warnings,
        }

    def _refuse(self, report: dict[str, Any]) -> None:
        """The rule on bad clips: DataError where there are more than it allows."""
        skipped = report["skipped"]
        if not skipped["count"]:
            return
        share = skipped["count"] / (report["clips"] + skipped["count"])
        first = "; ".join(f"{bad['file']} ({bad['reason']})" for bad in skipped["files"][:3])
        fault = (
            f"{skipped['count']:,} of the {report['clips'] + skipped['count']:,} clips in "
            f"{self.path} cannot be used: {in_words(skipped)}. First: {first}."
        )
        if self.bad_files == "refuse":
            raise DataError(f"{fault} Remove or repair them, or write data.bad_files=skip.")
        if share > self.max_bad:
            raise DataError(
                f"{fault} That is more than data.max_bad={self.max_bad:g} allows. Remove or repair "
                "them, or raise it."
            )


def _bytes_of(clip: ClipFile) -> bytes:
    """What decides on which side a clip stands: its bytes, not where it lies."""
    digests = [file_digest(path) for path in clip.paths]
    return combined(map(str, range(len(digests))), digests).encode()
