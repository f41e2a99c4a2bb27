"""Which columns of a table hold the texts and the label: as named, or by their usual names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseloom.data.table_files import TableFile
from noiseloom.errors import InputError
from noiseloom.menu import nearest

PAIRS = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
)
TEXTS = ("text", "sentence", "content", "review", "comment", "message", "body", "title", "question")
LABELS = ("label", "labels", "class", "category", "target", "score", "rating", "sentiment", "y")
MOST_TEXTS = 2


@dataclass(frozen=True)
class Columns:
    """The columns of one or two texts, and that of the label."""

    texts: tuple[str, ...]
    label: str


def choose_columns(file: TableFile, texts: tuple[str, ...] | None, label: str | None) -> Columns:
    """The columns of `file` to read; InputError that says what there is where they are not found.

    `texts` and `label` are what the recipe names, None where it leaves the choice.
    """
    columns = file.columns
    for key, names in (("data.text", texts or ()), ("data.label", (label,) if label else ())):
        for name in names:
            if name not in columns:
                close = nearest(name, columns)
                raise InputError(
                    f"{key} names '{name}', and {file.name} has no such column. It has: "
                    f"{', '.join(columns)}." + (f" Did you mean '{close}'?" if close else "")
                )
    usual = {name.lower(): name for name in reversed(columns)}
    if label is None:
        label = _first(usual, [(one,) for one in LABELS], file, "data.label", "the label")[0]
    if texts is None:
        others = {plain: name for plain, name in usual.items() if name != label}
        known = [*PAIRS, *((one,) for one in TEXTS)]
        texts = _first(others, known, file, "data.text", "the text")
    if label in texts:
        raise InputError(f"Column '{label}' is named as a text and as the label; it can be one")
    return Columns(texts, label)


def _first(
    usual: dict[str, str],
    known: Sequence[tuple[str, ...]],
    file: TableFile,
    key: str,
    what: str,
) -> tuple[str, ...]:
    """The first of the names known that all are there."""
    for names in known:
        if all(name in usual for name in names):
            return tuple(usual[name] for name in names)
    raise InputError(
        f"Which column of {file.name} holds {what} is not clear from its names: "
        f"{', '.join(file.columns)}. Name it with {key}=COLUMN"
    )
