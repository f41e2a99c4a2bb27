"""One image file to pixels: the rules for every mode, and why a file is refused.

The rules, in order:
1. A header that declares more than `MAX_PIXELS` is refused without decoding. Pillow's own limit is
   left as it is.
2. The rotation noted by the camera (EXIF) is applied. Of an animation the first frame is taken.
3. The middle square is cut out, then resized to the size asked for with Lanczos (which smooths as
   it shrinks). An image that already has that size keeps its pixels. A large JPEG may be decoded
   at a fraction of its size, never below twice the size asked for. Without a size nothing is cut.
4. Grey stays grey (1-bit, 8-bit, 16-bit grey divided by 257); palette, CMYK and the rest become
   RGB by Pillow's conversion; anything transparent is laid on white. Floating-point pixels have no
   agreed range and are refused.
5. The channels asked for: grey by the weights of ITU-R 601-2, colour from grey by repeating it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

MAX_PIXELS = 2**26  # 67 million: a 50-megapixel photo passes, and decodes into 200 MB
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
)
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})
ORIENTATION = 0x0112  # the EXIF tag, and what undoes each of its values
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImageError(Exception):
    """A file that cannot be used: `reason` is one of a few to count by, `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Header:
    """An image's size as seen (rotation applied), and whether it is grey."""

    width: int
    height: int
    grey: bool
    mode: str


def read_header(path: Path) -> Header:
    """The header of an image file, nothing decoded; raises BadImageError."""
    with _opened(path) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        return Header(width, height, image.mode in GREY_MODES, image.mode)


def read_image(path: Path, size: int | None, channels: int) -> np.ndarray:
    """The pixels of an image file by the rules above, uint8 (H, W, channels)."""
    with _opened(path) as image:
        if size is not None:
            image.draft(None, (2 * size, 2 * size))
        turn = UPRIGHT.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        if size is not None:
            upright = _square(upright)
        return to_pixels(_resized(_plain(upright), size), channels)


def _orientation(image: Image.Image) -> int:
    """The rotation noted ahead of the pixels, 1 for none. Pillow turns TIFF files by itself."""
    if image.format == "TIFF":
        return 1
    value = Image.Image.getexif(image).get(ORIENTATION, 1)  # a PNG's own would decode the pixels
    return value if isinstance(value, int) else 1


def fit_pixels(pixels: np.ndarray, size: int | None, channels: int) -> np.ndarray:
    """Rules 3 and 5 for an image already in memory, uint8 (H, W, 1 or 3)."""
    fits = size is None or pixels.shape[:2] == (size, size)
    if fits and pixels.shape[2] == channels:
        return pixels
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if size is not None:
        picture = _resized(_square(picture), size)
    return to_pixels(picture, channels)


def to_pixels(image: Image.Image, channels: int) -> np.ndarray:
    """Rules 4 (transparency) and 5: an L, LA, RGB or RGBA image as uint8 (H, W, channels)."""
    if image.mode in ("LA", "RGBA"):
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image.convert("RGBA")).convert(image.mode[:-1])
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[:, :, None] if channels == 1 else pixels


def _plain(image: Image.Image) -> Image.Image:
    """Any mode as L, LA, RGB or RGBA with 8 bits a channel."""
    if image.mode == "F":
        raise BadImageError("floating-point pixels", "save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "La":
        return image.convert("LA")
    if "transparency" in image.info:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    return image.convert("RGBA" if image.mode in ("PA", "RGBa") else "RGB")


def _square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _resized(image: Image.Image, size: int | None) -> Image.Image:
    if size is None or image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.LANCZOS)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file as a Pillow image; whatever Pillow objects to becomes one BadImageError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImageError(
                    "too many pixels", _too_many(f"{image.width:,} x {image.height:,}")
                )
            yield image
    except (BadImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadImageError("too many pixels", _too_many("far more than that")) from None
    except Image.UnidentifiedImageError:
        raise BadImageError("not an image", f"it begins with {_beginning(path)}") from None
    except OSError as error:
        if error.errno is not None:
            raise BadImageError("unreadable", error.strerror or str(error)) from None
        raise BadImageError("cut short or damaged", str(error)) from None
    except Exception as error:  # decoders meet hostile bytes: whatever they raise, the file is bad
        raise BadImageError("cut short or damaged", f"{type(error).__name__}: {error}") from None


def _too_many(given: str) -> str:
    return f"{given} pixels are declared, allowed are {MAX_PIXELS:,}; not decoded"


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return repr(file.read(16))[1:]


@contextmanager
def quiet() -> Iterator[None]:
    """Within it Pillow's warnings about odd metadata are silent: what matters is raised.

    The filter is the whole process's, so it is set once round a pass, not in each thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
