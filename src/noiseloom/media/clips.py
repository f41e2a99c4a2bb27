"""Clips to look at: a strip of frames, a sheet on which all of them move, GIF and MP4.

Clips are uint8 (N, T, H, W, C). A GIF counts a frame's time in hundredths of a second, so a rate is
kept to within that; MP4 (H.264) keeps it exactly and needs the extra `[video]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from noiseloom.errors import InputError
from noiseloom.media.pictures import (
    BACKGROUND,
    CAPTION,
    CELL,
    INK,
    aside,
    captioned_grid,
    cut,
    grid,
    save_gif,
)

NEEDS_AV = (
    "Clips as MP4 need the package av, which is not installed. Install it with: pip install "
    "'noiseloom[video]', or use GIF"
)


def strip(
    clips: np.ndarray,
    captions: Sequence[str] | None = None,
    scale: int | None = None,
    given: Sequence[int] = (),
) -> Image.Image:
    """A row of frames for each clip, in time order, under its caption where there are any.

    The frames of the numbers `given` are framed in red.
    """
    num, length, height, width, _ = checked(clips).shape
    scale = scale or max(1, round(CELL / max(height, width)))
    marked = [frame in set(given) for frame in range(length)] if given else None
    rows = [grid(clip, length, scale, marked=marked).convert("RGB") for clip in clips]
    above = CAPTION + 4 if captions else 0
    high = rows[0].height + above
    sheet = Image.new("RGB", (rows[0].width, num * high), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION)
    for index, row in enumerate(rows):
        if captions:
            text = cut(captions[index], font, row.width)
            draw.text((2, index * high + 2), text, fill=INK, font=font)
        sheet.paste(row, (0, index * high + above))
    return sheet


def sheets(
    clips: np.ndarray,
    columns: int | None = None,
    scale: int | None = None,
    captions: Sequence[str] | None = None,
) -> list[Image.Image]:
    """A picture for each frame's time: the clips side by side, all of them moving."""
    over_time = checked(clips).swapaxes(0, 1)
    if captions is not None:
        return [captioned_grid(frames, captions, columns, scale) for frames in over_time]
    return [grid(frames, columns, scale) for frames in over_time]


def save_mp4(frames: Sequence[Image.Image], path: Path, rate: float, text: str = "") -> Path:
    """Write frames of one size as H.264 at `rate` a second; `text` becomes its comment.

    Sides of an odd number of pixels get a white line more, as the format asks for even ones.
    Raises InputError where the package av is not installed.
    """
    av = codecs()

    width, height = (side + side % 2 for side in frames[0].size)
    with aside(path) as temporary, av.open(temporary, "w", format="mp4") as container:
        if text:
            container.metadata["comment"] = text
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "12"}
        for frame in frames:
            even = Image.new("RGB", (width, height), BACKGROUND)
            even.paste(frame, (0, 0))
            container.mux(stream.encode(av.VideoFrame.from_image(even)))
        container.mux(stream.encode())
    return path


def codecs() -> Any:
    """The package av, by which MP4 is written and read; InputError where it is not installed."""
    try:
        return import_module("av")  # heavy, and most never need it
    except ImportError as error:
        raise InputError(NEEDS_AV) from error


def save_clip_folder(clips: np.ndarray, names: Sequence[str], folder: Path, rate: float) -> None:
    """Write one GIF for each clip into `folder`, pixel for pixel, `00000_name.gif`."""
    for index, clip in enumerate(checked(clips)):
        frames = sheets(clip[None], columns=1, scale=1)
        save_gif(frames, folder / f"{names[index]}.gif", duration_ms=milliseconds(rate))


def milliseconds(rate: float) -> int:
    """How long a GIF shows one frame of `rate` a second: whole hundredths of a second."""
    return max(2, round(100 / rate)) * 10


def checked(clips: np.ndarray) -> np.ndarray:
    """`clips`, or ValueError for what are none."""
    if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[4] not in (1, 3):
        raise ValueError(
            f"clips of shape {clips.shape} and type {clips.dtype} were given; allowed is "
            "(N, T, H, W, 1 or 3) and uint8"
        )
    if not len(clips):
        raise ValueError("no clip was given; a sheet needs at least one")
    return clips
