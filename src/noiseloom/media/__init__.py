"""Arrays on disk as what people look at: `pictures`, `clips` of them, and a run's `samples`.

Pictures are uint8 (N, H, W, C) with C of 1 (grey) or 3 (red, green, blue), clips the same with time
before height (N, T, H, W, C), points float (N, 2).
"""

from noiseloom.media.clips import codecs, milliseconds, save_clip_folder, save_mp4, sheets, strip
from noiseloom.media.pictures import (
    CELL,
    COLOURS,
    MARK,
    aside,
    captioned_grid,
    enlarge,
    grid,
    picture_of,
    read_png_text,
    save_gif,
    save_png,
    scatter,
)
from noiseloom.media.samples import RATE, Kind, sample_kind, save_samples

__all__ = [
    "CELL",
    "COLOURS",
    "MARK",
    "RATE",
    "Kind",
    "aside",
    "captioned_grid",
    "codecs",
    "enlarge",
    "grid",
    "milliseconds",
    "picture_of",
    "read_png_text",
    "sample_kind",
    "save_clip_folder",
    "save_gif",
    "save_mp4",
    "save_png",
    "save_samples",
    "scatter",
    "sheets",
    "strip",
]
