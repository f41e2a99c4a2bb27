"""Texts that a run is asked about: given one by one, or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from noiseloom.data.forms import TextForm
from noiseloom.data.lines import TOO_LONG, not_utf8, numbered_lines
from noiseloom.data.rows import tokens_of
from noiseloom.data.skipped import Skipped
from noiseloom.data.table_files import kind_of, table_file
from noiseloom.data.tokenizer import PAD
from noiseloom.errors import InputError
from noiseloom.menu import nearest

Asked = str | Path | Sequence[str]
"""An image's file; a text; or the texts of an item that has several."""


def read_rows(form: TextForm, asked: Sequence[Asked]) -> tuple[np.ndarray, str]:
    """Texts as items of `form`, and how many are cut at the context, in a sentence."""
    rows = [_row(form.columns, number, given) for number, given in enumerate(asked, start=1)]
    items = tokens_of(form.tokenizer, rows, form.context + 1, spaced=form.spaced)
    cut = int((items[..., form.context] != form.tokenizer.special(PAD)).any(axis=1).sum())
    if not cut:
        return items[..., : form.context], ""
    return items[..., : form.context], (
        f"{cut} of {len(items)} are longer than the {form.context} tokens that this run reads; of "
        "these only the beginning is read."
    )


def rows_of_table(path: Path, columns: tuple[str, ...]) -> list[str | tuple[str, ...]]:
    """The texts of a table's rows, or of the lines of another file where there is one column."""
    if not kind_of(path):
        if len(columns) == 1:
            return read_lines(path)
        raise InputError(
            f"{path} is no table, and this run reads the columns {' and '.join(columns)}. Give it "
            "a .csv, .tsv, .jsonl or .parquet file that has them"
        )
    rows = list[str | tuple[str, ...]]()
    for place, texts in cells_of_table(path, columns):
        if not all(text.strip() for text in texts):
            raise InputError(f"{place} cannot be read: without a text. Mend it or take it out")
        rows.append(texts)
    return rows


def cells_of_table(path: Path, columns: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Where each row of a table stands, and what it holds in these columns.

    InputError where a row cannot be read, since each must be answered.
    """
    file = table_file(path)
    if missing := [name for name in columns if name not in file.columns]:
        close = nearest(missing[0], file.columns)
        raise InputError(
            f"{path} has no column '{missing[0]}', which this run reads. It has: "
            f"{', '.join(file.columns)}." + (f" Did you mean '{close}'?" if close else "")
        )
    skipped = Skipped()
    rows = [
        (place, tuple(values.get(name, "") for name in columns))
        for place, values in file.rows(skipped)
    ]
    if len(skipped):
        bad = skipped.files[0]
        raise InputError(f"{bad['file']} cannot be read: {bad['reason']}. Mend it or take it out")
    return rows


def read_lines(path: Path) -> list[str | tuple[str, ...]]:
    """The lines of a file, none of which may be empty."""
    lines: list[str | tuple[str, ...]] = []
    for number, line in numbered_lines(path, str(path)):
        if line is None or not_utf8(line):
            why = TOO_LONG if line is None else f"{not_utf8(line)} is no UTF-8"
            raise InputError(f"{path}:{number} cannot be read: {why}. Mend it or take it out")
        if not line.strip():
            raise InputError(f"{path}:{number} is empty; each line must hold an item")
        lines.append(line)
    return lines


def _row(columns: tuple[str, ...], number: int, given: Asked) -> tuple[str, ...]:
    """The texts of an item."""
    texts = (given,) if isinstance(given, str | Path) else tuple(given)
    if len(texts) != len(columns) or not all(isinstance(text, str) for text in texts):
        wanted = "one text" if len(columns) == 1 else f"{len(columns)} texts"
        raise InputError(
            f"Item {number} is {given!r}; this run reads {wanted} an item: {' and '.join(columns)}"
        )
    if not all(str(text).strip() for text in texts):
        raise InputError(f"Item {number} holds an empty text; give it something to read")
    return tuple(map(str, texts))
