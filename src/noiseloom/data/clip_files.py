"""Clips on disk: animated GIF and WebP, video files, and folders of frames; how each is read.

| as it comes | what becomes of it |
|---|---|
| GIF, WebP | its frames, each shown for as long as the file says (0: 0.1 s) |
| MP4, WebM, MOV, MKV, AVI | its frames by their times; needs the extra `[video]` |
| a folder that holds images | one clip of them, in the order of their names; without a rate |
| numbers in such names | are counted: frame10 comes after frame9 |
| another rate than asked for | at each moment the frame that is shown then |
| not square, another size | the middle square, resized with Lanczos, as images are (`decode`) |
| damaged in any frame | refused as a whole |
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from noiseloom.data.decode import (
    SUFFIXES,
    BadImageError,
    fit_pixels,
    opened_image,
    plain,
    quiet,
    read_image,
    to_pixels,
)
from noiseloom.data.skipped import Skipped, printable
from noiseloom.media import codecs

MOVING = frozenset({".gif", ".webp"})
VIDEO = frozenset({".mp4", ".m4v", ".webm", ".mov", ".mkv", ".avi"})
UNTIMED_MS = 100  # of a frame whose file says 0: what browsers make of it
MOST_FRAMES = 10_000  # of one file; what is beyond is not read


@dataclass(frozen=True)
class ClipFile:
    """One clip: its name below the root, and the files it is made of."""

    name: str
    paths: tuple[Path, ...]
    is_folder: bool = False


@dataclass(frozen=True)
class Frames:
    """A clip as it comes, uint8 (T, H, W, C); `ends` (T,) is when each goes, in seconds, if known.

    Its file counts time in parts of `tick` seconds: a rate is known to within half of one.
    """

    pixels: np.ndarray
    ends: np.ndarray | None
    tick: float = 0.0

    @property
    def rate(self) -> float | None:
        """Frames a second, to two digits; None: not known."""
        return None if self.ends is None else round(len(self.ends) / float(self.ends[-1]), 2)

    def has_rate(self, rate: float) -> bool:
        """Whether it is of `rate`, as far as its file can say."""
        return self.rate is not None and abs(1 / self.rate - 1 / rate) <= self.tick / 2 + 1e-6

    def at_rate(self, rate: float) -> np.ndarray:
        """The frames shown at the middles of moments of 1 / `rate` seconds."""
        if self.ends is None or self.has_rate(rate):
            return self.pixels
        moments = (np.arange(max(1, int(self.ends[-1] * rate + 1e-6))) + 0.5) / rate
        return self.pixels[
            np.searchsorted(self.ends, moments, side="right").clip(max=len(self.ends) - 1)
        ]


@dataclass
class Found:
    """What a folder holds: clips, and what is no clip, counted by why."""

    clips: list[ClipFile] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)


def find_clips(root: Path) -> Found:
    """The clips below `root`, sorted by name; hidden names are passed over."""
    found = Found()
    for folder, below, names in os.walk(root, followlinks=False):
        below[:] = sorted(name for name in below if not name.startswith("."))
        here = Path(folder)
        stills = []
        for name in sorted(name for name in names if not name.startswith(".")):
            path, suffix = here / name, Path(name).suffix.lower()
            label = path.relative_to(root).as_posix()
            if suffix in MOVING | VIDEO:
                if path.stat().st_size:
                    found.clips.append(ClipFile(label, (path,)))
                else:
                    found.skipped.add(label, "empty")
            elif suffix in SUFFIXES:
                stills.append(path)
        if stills and here == root:
            for path in stills:
                found.skipped.add(path.name, "a single image, not in a folder of frames")
        elif stills:
            frames = tuple(sorted(stills, key=_in_order))
            found.clips.append(ClipFile(here.relative_to(root).as_posix(), frames, is_folder=True))
    found.clips.sort(key=lambda clip: clip.name)
    return found


def read_clip(clip: ClipFile, size: int, channels: int) -> Frames:
    """The frames of a clip, `size` pixels a side.

    Raises BadImageError, and InputError where av is missing.
    """
    if clip.is_folder:
        return Frames(np.stack([read_image(path, size, channels) for path in clip.paths]), None)
    path = clip.paths[0]
    if path.suffix.lower() in VIDEO:
        return _timed(_of_video(path, size, channels))
    tick = 0.01 if path.suffix.lower() == ".gif" else 0.001
    return _timed(_of_animation(path, size, channels), tick)


def moves(path: Path) -> bool:
    """Whether an image file has several frames; no where it cannot be read."""
    try:
        with quiet(), opened_image(path) as image:
            return bool(getattr(image, "is_animated", False))
    except BadImageError:
        return False


def needs_av(clips: list[ClipFile]) -> None:
    """Raise InputError where there are video files and they cannot be read."""
    if any(path.suffix.lower() in VIDEO for clip in clips for path in clip.paths):
        codecs()


def _timed(frames: Iterator[tuple[np.ndarray, float]], tick: float = 0.0) -> Frames:
    """Frames with how long each is shown, in seconds."""
    pixels, seconds = [], []
    for frame, shown in frames:
        pixels.append(frame)
        seconds.append(shown)
        if len(pixels) == MOST_FRAMES:
            break
    if not pixels:
        raise BadImageError("empty", "it has no frame")
    return Frames(np.stack(pixels), np.cumsum(seconds), tick)


def _of_animation(path: Path, size: int, channels: int) -> Iterator[tuple[np.ndarray, float]]:
    with opened_image(path) as image:
        for frame in ImageSequence.Iterator(image):
            shown = frame.info.get("duration") or UNTIMED_MS
            yield _fitted(plain(frame.copy()), size, channels), shown / 1000


def _of_video(path: Path, size: int, channels: int) -> Iterator[tuple[np.ndarray, float]]:
    av = codecs()

    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise BadImageError("no picture", "it holds sound alone")
            stream = container.streams.video[0]
            usual = 1 / float(stream.average_rate or 1000 / UNTIMED_MS)
            before: tuple[np.ndarray, float] | None = None
            for frame in container.decode(stream):
                pixels = _fitted(frame.to_image(), size, channels)
                begins = frame.time if frame.time is not None else 0.0
                if before is not None:
                    yield before[0], max(begins - before[1], 1e-3)
                before = pixels, begins
            if before is not None:
                yield before[0], usual
    except (av.FFmpegError, OSError) as error:
        raise BadImageError("cut short or damaged", printable(str(error))) from None


def _fitted(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """One frame, whatever its mode, by the rules of `decode`."""
    return fit_pixels(to_pixels(image, 3), size, channels)


def _in_order(path: Path) -> list[tuple[int, str]]:
    """`frame10` after `frame9`."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
