"""One image, a file or its bytes, to pixels: the rule for every kind, and why one is refused.

| as it comes | what becomes of it |
|---|---|
| 1-bit, 8-bit grey | grey, values kept (1-bit: 0 and 255) |
| 16-bit grey | grey, divided by 257 and rounded; 32-bit whole numbers too, within 0 to 65,535 |
| RGB | colour, values kept; of 16-bit RGB the high byte |
| alpha, or one colour named transparent | laid on white, and grey stays grey |
| palette | the colours it names (counted as colour though all be grey); transparent ones on white |
| CMYK, YCbCr, LAB | colour by Pillow's own conversion, without the file's colour profile |
| floating-point pixels | refused: their range is not agreed on |
| rotation or mirroring noted by the camera (EXIF) | applied first |
| animated GIF, WebP, APNG; TIFF of many pages | the first frame, the picture a still viewer shows |
| of another aspect than wanted | with data.size: the middle of it; without: kept |
| other size than data.size | resized with Lanczos; one that has the size keeps its pixels |
| several sizes | data.size is needed, and the message lists them |
| more than 67 million pixels declared | refused without decoding |

Colour is asked for where any image has it, or with data.channels: grey becomes colour by repeating
it, colour becomes grey by the weights of ITU-R 601-2. A large JPEG may be decoded at a fraction of
its size, never below twice data.size. Transparency is laid on white after resizing. Pillow's own
limit on pixels is left as it is.
"""

from __future__ import annotations

import io
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

Encoded = Path | bytes  # an image file, or what would stand in one
Size = int | tuple[int, int]  # pixels: the side of a square, or height and width


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


def read_header(encoded: Encoded) -> Header:
    """The header of an image, nothing decoded; raises BadImageError."""
    with opened_image(encoded) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        return Header(width, height, image.mode in GREY_MODES, image.mode)


def read_image(encoded: Encoded, size: Size | None, channels: int) -> np.ndarray:
    """The pixels of an image by the rules above, uint8 (H, W, channels)."""
    with opened_image(encoded) as image:
        orientation = _orientation(image)
        if size is not None:
            height, width = sides(size)
            lying = (height, width) if orientation >= 5 else (width, height)
            image.draft(None, (2 * lying[0], 2 * lying[1]))
        turn = UPRIGHT.get(orientation)
        upright = image if turn is None else image.transpose(turn)
        if size is not None:
            upright = _middle(upright, size)
        return to_pixels(_resized(plain(upright), size), channels)


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def _orientation(image: Image.Image) -> int:
    """The rotation noted ahead of the pixels, 1 for none. Pillow turns TIFF files by itself."""
    if image.format == "TIFF":
        return 1
    value = Image.Image.getexif(image).get(ORIENTATION, 1)  # a PNG's own would decode the pixels
    return value if isinstance(value, int) else 1


def fit_pixels(pixels: np.ndarray, size: Size | None, channels: int) -> np.ndarray:
    """The rules on size and channels for an image in memory, uint8 (H, W, 1 or 3)."""
    fits = size is None or pixels.shape[:2] == sides(size)
    if fits and pixels.shape[2] == channels:
        return pixels
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if size is not None:
        picture = _resized(_middle(picture, size), size)
    return to_pixels(picture, channels)


def to_pixels(image: Image.Image, channels: int) -> np.ndarray:
    """An L, LA, RGB or RGBA image, laid on white, as uint8 (H, W, channels)."""
    if image.mode in ("LA", "RGBA"):
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image.convert("RGBA")).convert(image.mode[:-1])
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[:, :, None] if channels == 1 else pixels


def plain(image: Image.Image) -> Image.Image:
    """Any mode as L, LA, RGB or RGBA with 8 bits a channel."""
    if image.mode == "F":
        raise BadImageError("floating-point pixels", "save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode == "La":
        return image.convert("LA")
    if "transparency" in image.info:
        return image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if image.mode in ("PA", "RGBa") else "RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadImageError("grey values beyond 16 bits", "save it with 8 or 16 bits a channel")
    clear = values == image.info.get("transparency")
    return Image.fromarray(np.where(clear, 255, np.rint(values / 257)).astype(np.uint8))


def _middle(image: Image.Image, size: Size) -> Image.Image:
    """The largest middle part that has the aspect of `size`."""
    height, width = sides(size)
    wide = min(image.width, max(1, round(image.height * width / height)))
    high = min(image.height, max(1, round(image.width * height / width)))
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def _resized(image: Image.Image, size: Size | None) -> Image.Image:
    if size is None or (image.height, image.width) == sides(size):
        return image
    height, width = sides(size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


@contextmanager
def opened_image(encoded: Encoded) -> Iterator[Image.Image]:
    """It as a Pillow image; whatever Pillow objects to becomes one BadImageError."""
    if encoded == b"":
        raise BadImageError("empty")
    try:
        file = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
        with Image.open(file, formats=FORMATS) as image:
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
        raise BadImageError("not an image", f"it begins with {_beginning(encoded)}") from None
    except OSError as error:
        if error.errno is not None:
            raise BadImageError("unreadable", error.strerror or str(error)) from None
        raise BadImageError("cut short or damaged", str(error)) from None
    except Exception as error:  # decoders meet hostile bytes: whatever they raise, the file is bad
        raise BadImageError("cut short or damaged", f"{type(error).__name__}: {error}") from None


def _too_many(given: str) -> str:
    return f"{given} pixels are declared, allowed are {MAX_PIXELS:,}; not decoded"


def _beginning(encoded: Encoded) -> str:
    if isinstance(encoded, bytes):
        return repr(encoded[:16])[1:]
    with encoded.open("rb") as file:
        return repr(file.read(16))[1:]


@contextmanager
def quiet() -> Iterator[None]:
    """Within it Pillow's warnings about odd metadata are silent: what matters is raised.

    The filter is the whole process's, so it is set once round a pass, not in each thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
