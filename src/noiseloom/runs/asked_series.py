"""Series that a run is asked about: from a table with the columns that it was trained on.

Of a `long` table, a row of which is a time, the series is its last rows: what follows is asked. Of
a `wide` one each row is a series. A missing value is the one before it, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from noiseloom.data.forms import SeriesForm
from noiseloom.data.measurements import filled, number_in
from noiseloom.errors import InputError
from noiseloom.runs.asked_texts import Asked, cells_of_table

NO_ROWS = "{} holds no row below the names of its columns; give it a series"


def read_series(form: SeriesForm, asked: Sequence[Asked]) -> np.ndarray:
    """Tables with a series each, or the cells of rows, as items of `form`.

    Raises InputError that names the first that cannot be used.
    """
    return np.stack(
        [
            _of_file(form, Path(given)) if isinstance(given, str | Path) else _of_cells(form, given)
            for given in asked
        ]
    )


def rows_of_series(form: SeriesForm, path: Path) -> list[str | tuple[str, ...]]:
    """What a table asks about: of a wide one each row, of a long one its end."""
    return [str(path)] if form.is_long else [row for _, row in _rows(form, path)]


def _of_file(form: SeriesForm, path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"There is no file {path}; this run reads tables of numbers")
    rows = _rows(form, path)
    if not form.is_long:
        if len(rows) != 1:
            raise InputError(
                f"{path} holds {len(rows)} rows, each a series; ask about all of them with "
                f"--input {path}"
            )
        return _of_cells(form, rows[0][1], rows[0][0])
    steps = form.item_shape[0]
    if len(rows) < steps:
        raise InputError(
            f"{path} holds {len(rows)} rows, and this run reads the last {steps}. Give it more"
        )
    numbers = [_numbers(cells, place) for place, cells in rows]
    return _whole(np.array(numbers), str(path))[-steps:]


def _of_cells(form: SeriesForm, cells: Sequence[str], place: str = "") -> np.ndarray:
    """A row of a wide table."""
    if form.is_long or len(cells) != len(form.columns):
        wanted = (
            "a table of times, by its file"
            if form.is_long
            else f"{len(form.columns)} numbers, {form.columns[0]} to {form.columns[-1]}"
        )
        raise InputError(f"{len(cells)} values are given for a series; this run reads {wanted}")
    where = place or f"the series {', '.join(cells[:3])}, …"
    return _whole(np.array(_numbers(cells, where))[:, None], where)


def _rows(form: SeriesForm, path: Path) -> list[tuple[str, tuple[str, ...]]]:
    rows = cells_of_table(path, form.columns)
    if not rows:
        raise InputError(NO_ROWS.format(path))
    return rows


def _numbers(cells: Sequence[str], place: str) -> list[float]:
    numbers = [number_in(cell) for cell in cells]
    for cell, number in zip(cells, numbers, strict=True):
        if number is None:
            raise InputError(f"{place} holds '{cell[:40]}', which is no number")
    return [number for number in numbers if number is not None]


def _whole(numbers: np.ndarray, place: str) -> np.ndarray:
    """Numbers (steps, channels) with none missing."""
    values, _ = filled(numbers)
    if np.isnan(values).any():
        raise InputError(f"{place} has no value at all in a column that this run reads")
    return values
