"""Pictures: grids, scatter plots, PNG with the recipe inside, GIF.

Pictures are uint8 arrays shaped (N, H, W, C) with C of 1 (grey) or 3 (red, green, blue); points
are float arrays shaped (N, 2). Small pictures are enlarged by repeating pixels, never by blurring.
Everything is written beside its place and renamed, so a file is either whole or not there.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from noiseloom.errors import MachineError

GAP = 2  # pixels between the cells of a grid
CELL = 56  # pixels a cell is brought near to where no scale is given
CAPTION = 12  # height of a caption's letters in pixels
LINE = CAPTION + 2  # from one line of it to the next
CAPTIONED_CELL, CAPTION_LINES = 128, 5  # pixels and lines where a whole sentence goes below
BACKGROUND, INK, FRAME = (255, 255, 255), (40, 40, 40), (200, 200, 200)
MARK = (200, 30, 30)
COLOURS = (  # one a class, repeating
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (127, 127, 127),
    (188, 189, 34),
    (23, 190, 207),
)


def grid(
    images: np.ndarray,
    columns: int | None = None,
    scale: int | None = None,
    captions: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
    lines: int = 1,
) -> Image.Image:
    """Images (N, H, W, C) side by side in reading order, `columns` a row, each pixel `scale` wide.

    Left out, the grid is about square and its cells about `CELL` pixels. `captions` go below, in up
    to so many `lines` of the image's width, and cut there; those `marked` are framed and captioned
    in red.
    """
    count, height, width, channels = _checked(images).shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = scale or max(1, round(CELL / max(height, width)))
    font = ImageFont.load_default(CAPTION)
    texts = [_lines(text, font, width * scale, lines) for text in captions or ()]
    below = max(map(len, texts), default=1) * LINE + 2 if captions else 0
    cell_h, cell_w = height * scale + GAP + below, width * scale + GAP
    grey = channels == 1 and not marked
    mode, paper = ("L", BACKGROUND[0]) if grey else ("RGB", BACKGROUND)
    sheet = Image.new(mode, (columns * cell_w + GAP, rows * cell_h + GAP), paper)
    draw = ImageDraw.Draw(sheet)
    for index in range(count):
        left, top = GAP + index % columns * cell_w, GAP + index // columns * cell_h
        is_marked = bool(marked and marked[index])
        if is_marked:
            edge = (left + width * scale + GAP - 1, top + height * scale + GAP - 1)
            draw.rectangle((left - GAP, top - GAP, *edge), fill=MARK)
        sheet.paste(enlarge(picture_of(images[index]), scale), (left, top))
        ink = MARK if is_marked else INK[0] if grey else INK
        for number, text in enumerate(texts[index] if index < len(texts) else ()):
            place = (left + width * scale / 2, top + height * scale + GAP + number * LINE)
            draw.text(place, text, fill=ink, font=font, anchor="mt")
    return sheet


def captioned_grid(
    images: np.ndarray,
    captions: Sequence[str],
    columns: int | None = None,
    scale: int | None = None,
) -> Image.Image:
    """A grid of images large enough that whole captions stand below them, in a few lines."""
    side = max(images.shape[1:3])
    scale = scale or max(1, round(CAPTIONED_CELL / side))
    return grid(images, columns, scale, captions, lines=CAPTION_LINES)


def _lines(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, most: int
) -> list[str]:
    """`text` in lines of at most `width` pixels, the last of at most `most` cut."""
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < most - 1:
        number = 1
        while number < len(words) and font.getlength(" ".join(words[: number + 1])) <= width:
            number += 1
        lines.append(cut(" ".join(words[:number]), font, width))
        words = words[number:]
    return [*lines, cut(" ".join(words), font, width)] if words else lines


def cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """As much of `text` as is at most `width` pixels wide."""
    if font.getlength(text) <= width:
        return text
    ends = (f"{text[:length]}…" for length in range(len(text) - 1, 0, -1))
    return next((end for end in ends if font.getlength(end) <= width), "")


def _checked(images: np.ndarray) -> np.ndarray:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"pictures of shape {images.shape} and type {images.dtype} were given; allowed is "
            "(N, H, W, 1 or 3) and uint8"
        )
    if not len(images):
        raise ValueError("no picture was given; a grid needs at least one")
    return images


def picture_of(image: np.ndarray) -> Image.Image:
    """One array (H, W, C) as a picture, pixel for pixel."""
    array = np.ascontiguousarray(image)
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def enlarge(picture: Image.Image, scale: int) -> Image.Image:
    """Every pixel repeated `scale` times along both axes."""
    size = (picture.width * scale, picture.height * scale)
    return picture.resize(size, Image.Resampling.NEAREST) if scale > 1 else picture


def scatter(
    points: np.ndarray,
    labels: np.ndarray | None = None,
    size: int = 480,
    limit: float | None = None,
) -> Image.Image:
    """Points (N, 2) on a square of `size` pixels from -limit to limit, coloured by label.

    Left out, `limit` takes in every finite point; points outside it are not drawn.
    """
    points = np.asarray(points, dtype=np.float64)
    seen = np.isfinite(points).all(axis=1)
    if limit is None:
        limit = float(np.abs(points[seen]).max(initial=1e-3)) * 1.05
    seen &= (np.abs(points) <= limit).all(axis=1)
    picture = Image.new("RGB", (size, size), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(CAPTION)
    border, middle = size // 12, size / 2
    reach = middle - border
    draw.rectangle((border, border, size - border, size - border), outline=FRAME)
    for value, across, up in ((-1, "l", "b"), (0, "m", "m"), (1, "r", "t")):  # edges and middle
        mark, text = middle + value * reach, f"{value * limit:.3g}"
        draw.text((mark, size - border + 4), text, fill=INK, font=font, anchor=f"{across}t")
        draw.text((border - 4, size - mark), text, fill=INK, font=font, anchor=f"r{up}")
    radius = 2 if len(points) <= 2000 else 1
    for index in np.flatnonzero(seen):
        x, y = middle + points[index] / limit * reach * (1, -1)
        colour = COLOURS[0] if labels is None else COLOURS[int(labels[index]) % len(COLOURS)]
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, renamed to it at the end; on an error nothing is left.

    The parent folder is made. What the file system refuses is a MachineError naming `path`.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise MachineError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


def save_png(picture: Image.Image, path: Path, text: Mapping[str, str] | None = None) -> Path:
    """Write a PNG carrying `text` (such as the recipe) as UTF-8 metadata."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    with aside(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=info)
    return path


def read_png_text(path: Path) -> dict[str, str]:
    """The metadata `save_png` put into a PNG."""
    with Image.open(path, formats=["PNG"]) as picture:
        picture.load()  # text may stand after the pixels
        return {key: str(value) for key, value in getattr(picture, "text", {}).items()}


def save_gif(
    frames: Sequence[Image.Image],
    path: Path,
    duration_ms: int = 120,
    hold_ms: int | None = None,
    text: str = "",
) -> Path:
    """Write a looping GIF; the last frame stays for `hold_ms`, `text` becomes its comment.

    Grey frames are kept exactly, and so are coloured ones of up to 256 colours; one of more gets
    the 256 that suit it best, dithered.
    """
    if not frames:
        raise ValueError("no frame was given; a GIF needs at least one")
    ready = [frame if frame.mode == "L" else _paletted(frame.convert("RGB")) for frame in frames]
    durations = [duration_ms] * (len(ready) - 1) + [hold_ms or duration_ms]
    with aside(path) as temporary:
        ready[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=ready[1:],
            duration=durations,
            loop=0,
            comment=text.encode(),
            optimize=False,
        )
    return path


def _paletted(frame: Image.Image) -> Image.Image:
    palette = frame.quantize(256)
    if frame.getcolors(256) is not None:
        return palette
    return frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
