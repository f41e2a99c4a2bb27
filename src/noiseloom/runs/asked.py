"""The items that a run is asked about, as stored: image files, texts, series, or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from noiseloom.data.decode import BadImageError, quiet, read_image
from noiseloom.data.forms import Form, ImageForm, SeriesForm, TextForm
from noiseloom.errors import InputError
from noiseloom.runs.asked_series import read_series, rows_of_series
from noiseloom.runs.asked_texts import Asked, read_lines, read_rows, rows_of_table


def read_asked(
    form: Form, asked: Sequence[Asked] | str | Path | np.ndarray
) -> tuple[np.ndarray, str]:
    """What is asked about as items of `form`, and what is to be said of it, if anything.

    Raises InputError that names the first that cannot be used.
    """
    if isinstance(asked, np.ndarray):
        return check_items(form, asked), ""
    several = [asked] if isinstance(asked, str | Path) else list(asked)
    if not several:
        raise InputError("No items were given; name at least one")
    if isinstance(form, ImageForm):
        return read_images(form, several), ""
    if isinstance(form, TextForm) and form.columns:
        return read_rows(form, several)
    if isinstance(form, SeriesForm):
        return read_series(form, several), ""
    raise InputError(
        "This run reads items that are neither images, rows of text nor series; give it an array "
        "of them, as they are stored"
    )


def read_file(form: Form, path: str | Path) -> list[str | tuple[str, ...]]:
    """What a file asks about: a table with the run's columns of texts or series, or items by line.

    What comes out has an answer for each: InputError names the first line that cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}")
    if isinstance(form, SeriesForm):
        return rows_of_series(form, path)
    columns = form.columns if isinstance(form, TextForm) else ()
    return rows_of_table(path, columns) if columns else read_lines(path)


def read_images(form: Form, asked: Sequence[Asked]) -> np.ndarray:
    """Image files as items of `form`: made square and resized as training images are."""
    channels, height, width = form.item_shape
    size = (height, width) if form.sizes or height == width else None
    items = []
    for given in asked:
        if not isinstance(given, str | Path):
            raise InputError(f"{given!r} is no image file; this run reads one for each item")
        path = Path(given)
        try:
            with quiet():
                pixels = read_image(path, size, channels)
        except BadImageError as error:
            raise InputError(f"{path} cannot be read as an image ({error})") from error
        if pixels.shape[:2] != (height, width):
            raise InputError(
                f"{path} has {pixels.shape[1]} x {pixels.shape[0]} pixels; this run knows images "
                f"of {width} x {height}. Resize it"
            )
        items.append(pixels)
    return np.stack(items)


def check_items(form: Form, items: np.ndarray) -> np.ndarray:
    """`items` as they are; InputError where they are not what `form` describes."""
    shape, kind, what = form.item_shape, "f", "numbers as float arrays"
    if isinstance(form, ImageForm):
        channels, height, width = form.item_shape
        shape, kind, what = (height, width, channels), "u", "images as uint8 arrays"
    elif isinstance(form, TextForm):
        kind, what = "iu", "tokens as integer arrays"
    fits = items.shape[1:] == shape and items.dtype.kind in kind
    if not len(items) or not fits or (kind == "u" and items.dtype != np.uint8):
        raise InputError(
            f"items of shape {items.shape} and type {items.dtype} were given; this run reads "
            f"{what} of shape (N, {', '.join(map(str, shape))})"
            + (", or image files" if kind == "u" else "")
        )
    return items
