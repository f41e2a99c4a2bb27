"""Files that an edit is given beside a picture of the run's size: masks, smaller pictures."""

from pathlib import Path

import numpy as np

from noiseloom.data.decode import BadImageError, quiet, read_header, read_image
from noiseloom.data.forms import ImageForm
from noiseloom.errors import InputError
from noiseloom.runs.asked import read_images

WHITE_FROM = 128  # of 255: from here on a mask is white
EMPTY = np.uint8(128)  # what stands where nothing is known


def read_mask(form: ImageForm, mask: str | Path, image: str | Path) -> np.ndarray:
    """Where `mask` is white, bool (H, W), brought to the form's size as `image` is.

    Raises InputError unless it has the size of `image` and something in it is white.
    """
    sizes = [_size(path) for path in (image, mask)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the mask {mask} has {sizes[1][0]} x {sizes[1][1]} pixels, and {image} has "
            f"{sizes[0][0]} x {sizes[0][1]}. Give a mask of the same size, white where the picture "
            "is to be filled in"
        )
    grey = ImageForm(item_shape=(1, *form.item_shape[1:]))
    is_white = read_images(grey, [mask])[0, :, :, 0] >= WHITE_FROM
    if not is_white.any():
        raise InputError(
            f"the mask {mask} is black all over, so that nothing is to be filled in. Paint white "
            "what is to be made anew"
        )
    return is_white


def read_placed(
    form: ImageForm, image: str | Path, place: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """A smaller picture on a canvas of the form's size, and where the canvas is empty, (H, W)."""
    channels, height, width = form.item_shape
    pixels = _read(image, channels)
    tall, wide = pixels.shape[:2]
    if tall > height or wide > width or (tall, wide) == (height, width):
        raise InputError(
            f"{image} has {wide} x {tall} pixels, and this run draws {width} x {height}: there is "
            "nothing to add round it. Give a smaller picture"
        )
    x, y = place or ((width - wide) // 2, (height - tall) // 2)
    if not (0 <= x <= width - wide and 0 <= y <= height - tall):
        raise InputError(
            f"{image} of {wide} x {tall} pixels is to be placed at {x},{y}; allowed is "
            f"0,0 to {width - wide},{height - tall} on a canvas of {width} x {height}"
        )
    item = np.full((height, width, channels), EMPTY)
    is_missing = np.ones((height, width), dtype=bool)
    item[y : y + tall, x : x + wide] = pixels
    is_missing[y : y + tall, x : x + wide] = False
    return item, is_missing


def read_small(form: ImageForm, image: str | Path) -> np.ndarray:
    """A picture of which each pixel is to become a block of the form's, uint8 (h, w, C)."""
    channels, height, width = form.item_shape
    pixels = _read(image, channels)
    tall, wide = pixels.shape[:2]
    if height % tall or width % wide or height // tall != width // wide or tall == height:
        fitting = [
            f"{width // by} x {height // by}"
            for by in range(2, min(height, width) + 1)
            if height % by == 0 and width % by == 0
        ]
        raise InputError(
            f"{image} has {wide} x {tall} pixels, and this run draws {width} x {height}; allowed "
            f"are sizes that divide it evenly: {', '.join(fitting) or 'there are none'}"
        )
    return pixels


def _size(path: str | Path) -> tuple[int, int]:
    try:
        with quiet():
            header = read_header(Path(path))
    except BadImageError as error:
        raise InputError(f"{path} cannot be read as an image ({error})") from error
    return header.width, header.height


def _read(path: str | Path, channels: int) -> np.ndarray:
    try:
        with quiet():
            return read_image(Path(path), None, channels)
    except BadImageError as error:
        raise InputError(f"{path} cannot be read as an image ({error})") from error
