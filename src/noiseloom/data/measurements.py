"""Numbers read from a table: what was measured, with a label for each row.

Missing values (an empty cell, or NaN, NA, null, none) stay missing here; `filled` puts the value
before them in their place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np

from noiseloom.data.skipped import Skipped
from noiseloom.data.table_files import TableFile, table_file
from noiseloom.errors import DataError
from noiseloom.menu import nearest

LabelKind = Literal["auto", "classes", "numbers"]
MISSING = frozenset({"", "nan", "na", "null", "none"})  # as they are written, in any case
MOST_CLASSES = 20  # different whole numbers that are still taken for names of classes
NO_NUMBER, NO_LABEL, EMPTY = "a value is no number", "no label", "no value at all"


@dataclass(frozen=True, eq=False)
class Measurements:
    """Rows of numbers, float64 (R, columns), NaN where one is missing.

    `labels` (R,) float64 are numbers, or classes by their place in `class_names`; NaN: missing.
    """

    columns: tuple[str, ...]
    label: str
    values: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...] = ()
    skipped: Skipped = field(default_factory=Skipped)


def read_measurements(
    path: Path,
    patterns: Sequence[str],
    label: str,
    labels: LabelKind,
    *,
    is_ordered: bool,
) -> Measurements:
    """The columns that match `patterns`, and `label`, of a table.

    Without patterns these are all that hold a number in the first row, the label too where labels
    are numbers and the rows are `ordered` in time. Rows that cannot be used are skipped and listed,
    but in a table that is ordered each row is a time, and the first such row is refused. Raises
    DataError, InputError for a file that is no table.
    """
    file, skipped = table_file(path), Skipped()
    if label not in file.columns:
        raise DataError(_no_column(label, file.columns, file.name, "data.label"))
    rows = list(file.rows(skipped))
    if is_ordered and len(skipped):
        bad = skipped.files[0]
        raise DataError(
            f"{bad['file']} cannot be used ({bad['reason']}), and in a long table every row is a "
            "time, so that none can be left out. Mend the row, or delete it if the times stay "
            "evenly spaced without it"
        )
    if not rows:
        raise DataError(_nothing(file, skipped))
    kind = _kind_of([row.get(label, "") for _, row in rows]) if labels == "auto" else labels
    seen_label = is_ordered and kind == "numbers"
    names = _chosen(file, rows[0][1], patterns, () if seen_label else (label,))
    asked = (*names, label) if kind == "numbers" else names
    numbers, texts = list[list[float]](), list[str]()
    for place, row in rows:
        found, problem = _numbers(row, asked)
        if problem is not None and is_ordered:
            raise DataError(
                f"{place}: {problem}, which is no number. Allowed is a number, or nothing where a "
                "value is missing"
            )
        text = row.get(label, "")
        if problem is not None:
            skipped.add(place, NO_NUMBER, problem)
        elif not is_ordered and (reason := _unusable(found[: len(names)], text)):
            skipped.add(place, reason)
        else:
            numbers.append(found[: len(names)])
            texts.append(text)
    if not numbers:
        raise DataError(_nothing(file, skipped))
    classes = () if kind == "numbers" else tuple(sorted(set(filter(_is_given, texts))))
    return Measurements(names, label, np.array(numbers), _labels(texts, classes), classes, skipped)


def filled(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Each missing value replaced by the last one before it along the first axis; how many were.

    Those before the first value take it. A column without any value stays as it is.
    """
    is_known = np.isfinite(values)
    places = np.where(is_known, np.arange(len(values))[:, None], -1)
    last = np.maximum.accumulate(places, axis=0)
    first = is_known.argmax(axis=0)
    whole = np.take_along_axis(values, np.where(last < 0, first, last), axis=0)
    return whole, int((~is_known & np.isfinite(whole)).sum())


def _kind_of(texts: Sequence[str]) -> Literal["classes", "numbers"]:
    """Numbers, unless a label is none, or all are whole and few different ones."""
    found = set(filter(_is_given, texts))
    numbers = [number_in(one) for one in found]
    if not numbers or any(one is None for one in numbers):
        return "classes"
    whole = all(float(one or 0).is_integer() for one in numbers)
    return "classes" if whole and len(found) <= MOST_CLASSES else "numbers"


def _chosen(
    file: TableFile, first: dict[str, str], patterns: Sequence[str], left_out: Sequence[str]
) -> tuple[str, ...]:
    """The columns to read, in the file's order, or in that of the patterns."""
    columns = [one for one in file.columns if one not in left_out]
    if not patterns:
        found = [
            one for one in columns if (first.get(one, "x") and number_in(first[one])) is not None
        ]
        if not found:
            raise DataError(
                f"{file.name} has no column of numbers beside the label. It has "
                f"{', '.join(file.columns)}"
            )
        return tuple(found)
    chosen: list[str] = []
    for pattern in patterns:
        matching = [one for one in columns if fnmatchcase(one, pattern)]
        if not matching:
            raise DataError(_no_column(pattern, columns, file.name, "data.columns"))
        chosen += [one for one in matching if one not in chosen]
    return tuple(chosen)


def _no_column(asked: str, columns: Sequence[str], name: str, option: str) -> str:
    close = nearest(asked, columns)
    shown = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")
    return (
        f"{name} has no column '{asked}'; it has {shown}. "
        + (f"Did you mean '{close}'? " if close else "")
        + f"Set {option}"
    )


def _numbers(values: dict[str, str], names: Sequence[str]) -> tuple[list[float], str | None]:
    """The numbers of a row, and what stands in the way of the first that is none."""
    row = []
    for name in names:
        number = number_in(values.get(name, ""))
        if number is None:
            return [], f"column '{name}' holds '{values[name][:40]}'"
        row.append(number)
    return row, None


def number_in(text: str) -> float | None:
    """The number that a cell holds: NaN where it is missing, None where it is none."""
    if not _is_given(text):
        return math.nan
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_given(text: str) -> bool:
    return text.strip().lower() not in MISSING


def _unusable(row: Sequence[float], label: str) -> str | None:
    if not _is_given(label):
        return NO_LABEL
    return EMPTY if all(map(math.isnan, row)) else None


def _labels(texts: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    place = {name: float(index) for index, name in enumerate(class_names)}
    if class_names:
        return np.array([place.get(text, math.nan) for text in texts])
    return np.array([number_in(text) for text in texts], np.float64)


def _nothing(file: TableFile, skipped: Skipped) -> str:
    """That no row is left, and why the first was not used."""
    bad = next(iter(skipped.files), None)
    return f"{file.name} holds no row that can be used" + (
        f". The first, {bad['file']}: {bad['reason']}" if bad else ""
    )
