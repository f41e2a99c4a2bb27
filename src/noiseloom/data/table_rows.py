"""The rows of a table with a label each: read, divided where they are not, and held to one rule.

A row without a text or a label is skipped and listed, as `table_files` does with what it cannot
read. Refused is what leaves nothing to learn: no row, one class, a class that is measured on and
never trained on. Without a part of its own for the reference, rows are held out by a hash of their
texts, so that adding one moves no other, and equal texts are on one side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from noiseloom.data.assembly import choose_held_out, hash_of
from noiseloom.data.content import Progress
from noiseloom.data.rows import Rows
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.data.table_columns import Columns
from noiseloom.data.table_files import TableFile
from noiseloom.data.table_labels import Labels, are_numbers, class_names_of, number_of, numbered
from noiseloom.data.table_parts import TableParts
from noiseloom.errors import DataError
from noiseloom.menu import nearest

UNKNOWN = "-1"  # the label of rows that have none, in tables made by the datasets library
FEW, FEW_HELD_OUT = 500, 100  # rows below which a figure, or what is learned, is rough


@dataclass
class Part:
    """Rows in their order; `places` says where each different label stands first."""

    texts: list[tuple[str, ...]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def chosen(self, mask: np.ndarray) -> Part:
        """The rows of these places."""
        rows = np.flatnonzero(mask).tolist()
        return Part([self.texts[one] for one in rows], [self.labels[one] for one in rows])


def read_table(
    parts: TableParts,
    columns: Columns,
    *,
    labels: Labels,
    held_out: float,
    source: str,
    progress: Progress | None,
) -> Rows:
    """The rows of all files that are used. Raises DataError as said above."""
    skipped, ignored = Skipped(), Counter(parts.ignored)
    train = _read(parts.train, columns, labels, skipped, progress)
    if not train.texts:
        said = f" Skipped: {in_words(skipped.merged({}))}." if len(skipped) else ""
        raise DataError(f"{source} has no row to train on.{said}")
    as_numbers = are_numbers(train.labels, labels)
    label = columns.label
    if len(train.places) < 2:
        what = "the same number" if as_numbers else "one class only"
        raise DataError(
            f"{source}: column '{label}' holds {what}, '{train.labels[0]}', in all "
            f"{len(train.labels):,} rows. There is nothing to tell apart: name another column with "
            "data.label, or add rows"
        )
    reference, said = _reference(parts, columns, labels, skipped, ignored, progress)
    names = () if as_numbers else class_names_of(train.labels)
    if reference is None:
        train, reference = _divided(train, names, held_out, source)
        said = f"held out by content hash, a share of {held_out:g}"
    elif names:
        _check_known(reference, names, label)
    repeated = {
        "within_train": len(train.texts) - len(set(train.texts)),
        "reference_items_also_in_train": sum(map(set(train.texts).__contains__, reference.texts)),
    }
    found = skipped.merged({})
    report: dict[str, Any] = {
        "reference": said,
        "columns": {"texts": list(columns.texts), "label": label},
        "classes": _classes(names, train, reference),
        "duplicates": repeated,
        "skipped": found,
        "ignored": dict(ignored.most_common(20)),
        "warnings": _warnings(train, reference, repeated, found),
    }
    return Rows(
        train=train.texts,
        reference=reference.texts,
        train_labels=_kept(train, names),
        reference_labels=_kept(reference, names),
        class_names=names,
        report=report,
    )


def _read(
    files: Sequence[TableFile],
    columns: Columns,
    wanted: Labels,
    skipped: Skipped,
    progress: Progress | None,
) -> Part:
    part = Part()
    for done, file in enumerate(files):
        for place, values in file.rows(skipped):
            texts = tuple(values.get(name, "") for name in columns.texts)
            label = values.get(columns.label, "").strip()
            if not all(text.strip() for text in texts):
                skipped.add(place, "without a text")
            elif not label:
                skipped.add(place, "without a label")
            elif wanted == "numbers" and number_of(label) is None:
                skipped.add(place, "with a label that is no number", f"'{label[:40]}'")
            else:
                part.texts.append(texts)
                part.labels.append(label)
                part.places.setdefault(label, place)
        if progress:
            progress("reading tables", done + 1, len(files))
    return part


def _reference(
    parts: TableParts,
    columns: Columns,
    wanted: Labels,
    skipped: Skipped,
    ignored: Counter[str],
    progress: Progress | None,
) -> tuple[Part | None, str]:
    """The first part beside the training rows that has labels, and its name in words."""
    chosen, said = None, ""
    for name, files in parts.references.items():
        if chosen is not None:
            ignored[f"in the part {name}, where {said} is the reference"] += len(files)
            continue
        needed = {*columns.texts, columns.label}
        bad = Skipped()
        part = Part()
        if all(needed <= set(file.columns) for file in files):
            part = _read(files, columns, wanted, bad, progress)
        if set(part.labels) <= {UNKNOWN}:
            ignored[f"in the part {name}, which has no labels"] += len(files)
            continue
        chosen, said = part, name
        skipped.take(bad)
    return chosen, f"the data's own part {said}" if said else ""


def _divided(rows: Part, names: Sequence[str], held_out: float, source: str) -> tuple[Part, Part]:
    hashes = np.array([hash_of("\0".join(one).encode()) for one in rows.texts], np.uint64)
    labels = numbered(rows.labels, names) if names else np.zeros(len(rows.labels), np.int64)
    held = choose_held_out(hashes, labels, held_out)
    if not held.any() or held.all():
        raise DataError(
            f"The {len(held):,} rows of {source} cannot be divided: at least one must be trained "
            "on and a different one of its class held out. Add rows, or a file test.tsv beside it"
        )
    return rows.chosen(~held), rows.chosen(held)


def _check_known(reference: Part, names: Sequence[str], column: str) -> None:
    unseen = [one for one in reference.places if one not in names]
    if unseen:
        close = nearest(unseen[0], names)
        raise DataError(
            f"{reference.places[unseen[0]]}: the label '{unseen[0]}' of column '{column}' is in no "
            f"row that is trained on. Known are {', '.join(names[:20])}."
            + (f" Did you mean '{close}'?" if close else " Add rows of it, or take these out")
        )


def _kept(part: Part, names: Sequence[str]) -> np.ndarray:
    """Labels as `Split` holds them."""
    if names:
        return numbered(part.labels, names)
    return np.array([number_of(one) for one in part.labels], np.float32)


def _classes(names: Sequence[str], train: Part, reference: Part) -> dict[str, dict[str, int]]:
    counts = {"train": Counter(train.labels), "reference": Counter(reference.labels)}
    return {name: {part: count[name] for part, count in counts.items()} for name in names}


def _warnings(
    train: Part, reference: Part, repeated: dict[str, int], skipped: dict[str, Any]
) -> list[str]:
    """What a person should know before training on this."""
    said = []
    if skipped["count"]:
        said.append(f"{skipped['count']:,} rows cannot be used: {in_words(skipped)}.")
    if len(train.texts) < FEW:
        said.append(f"{len(train.texts):,} training rows are few: a plain method may do better.")
    if len(reference.texts) < FEW_HELD_OUT:
        said.append(
            f"{len(reference.texts):,} held-out rows are few: figures measured on them are rough."
        )
    if both := repeated["reference_items_also_in_train"]:
        said.append(
            f"{both:,} held-out rows are also among the training rows: figures flatter the model "
            "by that much."
        )
    return said
