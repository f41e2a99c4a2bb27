"""Texts to be learned token by token: whole files, or the rows of a column of tables.

The rule for what is no text: a file that is the only one is refused; of several files, and of rows,
those are skipped and listed with file and line, unless they are more than a quarter of all.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseloom.data.content import Progress
from noiseloom.data.lines import NOT_UTF8
from noiseloom.data.skipped import Skipped, in_words
from noiseloom.data.table_files import kind_of, table_file
from noiseloom.data.tokenizer import Kind
from noiseloom.errors import DataError
from noiseloom.menu import nearest

MOST_BAD = 0.25  # of all texts
UNREADABLE = "cannot be read"
GOLDEN = (5**0.5 - 1) / 2  # multiples of it, less their whole part, lie evenly in any number


@dataclass(frozen=True)
class Document:
    """A file, by the name it is spoken of: one text, or with a `column` one in each row."""

    name: str
    path: Path
    column: str | None = None


@dataclass(frozen=True)
class Texts:
    """The texts that were read, none of them empty; `found` were there."""

    texts: list[str]
    found: int
    skipped: dict[str, Any]


def read_documents(
    documents: Sequence[Document],
    kind: Kind,
    *,
    megabytes: float | None,
    source: str,
    progress: Progress | None,
) -> Texts:
    """The texts of all documents, or of so many, spread evenly over them, as hold `megabytes`.

    A single text is cut at these. Raises DataError as the rule above says, and where there is none.
    """
    skipped = Skipped()
    if any(document.column is not None for document in documents):
        texts = [text for document in documents for text in _rows(document, skipped)]
        found = len(texts)
        if megabytes is not None and found > 1:
            sizes = [len(text.encode()) for text in texts]
            texts = [texts[place] for place in spread(sizes, megabytes * 1e6)]
    else:
        sizes = [_size(document) for document in documents]
        found = sum(size > 0 for size in sizes)
        chosen = [place for place, size in enumerate(sizes) if size]
        if megabytes is not None and found > 1:
            chosen = spread(sizes, megabytes * 1e6)
        texts = list(_files([documents[place] for place in chosen], kind, skipped, progress))
    _refuse(documents, source, len(texts), skipped)
    texts = [text for text in texts if text]
    if not texts and found and megabytes is not None:
        raise DataError(f"{source} holds no whole text of {megabytes:g} MB: raise data.megabytes")
    if not texts:
        raise DataError(f"{source} holds no text; give it a file that is not empty")
    if len(texts) == 1 and megabytes is not None:
        texts = [_beginning(texts[0], round(megabytes * 1e6), kind)]
    return Texts(texts, found, skipped.merged({}))


def spread(sizes: Sequence[int], limit: float) -> list[int]:
    """Places of texts of these sizes that together hold `limit` at most, from all over the row.

    Empty ones are left out, and those too large for what is left.
    """
    order = sorted(range(len(sizes)), key=lambda place: (place * GOLDEN) % 1)
    chosen, left = [], limit
    for place in order:
        if 0 < sizes[place] <= left:
            chosen.append(place)
            left -= sizes[place]
    return sorted(chosen)


def _files(
    documents: Sequence[Document], kind: Kind, skipped: Skipped, progress: Progress | None
) -> Iterator[str]:
    """The texts of files, of which those that are none are `skipped`."""
    for done, document in enumerate(documents, 1):
        try:
            yield _content(document.path).decode("utf-8", _errors(kind))
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            byte = f"byte 0x{error.object[error.start]:02x}"
            skipped.add(f"{document.name}:{line}", NOT_UTF8, byte)
        except (OSError, EOFError, zlib.error) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            skipped.add(document.name, UNREADABLE, str(why))
        if progress:
            progress("reading", done, len(documents))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix.lower() == ".gz" else content


def _errors(kind: Kind) -> str:
    """A `bytes` tokenizer takes any bytes: those that are no UTF-8 become surrogates."""
    return "surrogateescape" if kind == "bytes" else "strict"


def _rows(document: Document, skipped: Skipped) -> Iterator[str]:
    """The texts of a table's column, but the empty ones."""
    assert document.column is not None
    file = table_file(document.path, document.name)
    if document.column not in file.columns:
        close = nearest(document.column, file.columns)
        raise DataError(
            f"{document.name} has no column '{document.column}'; it has "
            f"{', '.join(file.columns[:20])}. "
            + (f"Did you mean '{close}'? " if close else "")
            + "Set data.column"
        )
    for _, values in file.rows(skipped):
        if text := values.get(document.column, ""):
            yield text


def _size(document: Document) -> int:
    """Bytes as they lie on disk; 1 for a file that is gone, which is found out when it is read."""
    try:
        return document.path.stat().st_size
    except OSError:
        return 1


def _beginning(text: str, size: int, kind: Kind) -> str:
    """As much of a text as `size` bytes hold."""
    errors = _errors(kind)
    content = text.encode("utf-8", errors)[:size]
    return content.decode("utf-8", "ignore" if errors == "strict" else errors)


def _refuse(documents: Sequence[Document], source: str, read: int, skipped: Skipped) -> None:
    """The rule for what is no text."""
    if not skipped:
        return
    alone, first = documents[0], skipped.files[0]
    if len(documents) == 1 and alone.column is None:
        mended = "Save the file as UTF-8, or take its bytes as they are with data.tokenizer=bytes"
        if kind_of(alone.path) == ".parquet":
            mended = "Name the column of this table that holds the text with data.column"
        elif UNREADABLE in skipped.reasons:
            mended = "Copy it here again, or look at who may read it"
        raise DataError(f"{first['file']}: {first['reason']}. {mended}")
    if len(skipped) > MOST_BAD * (read + len(skipped)):
        named = "; ".join(f"{bad['file']} ({bad['reason']})" for bad in skipped.files[:3])
        raise DataError(
            f"{len(skipped):,} of the {read + len(skipped):,} texts of {source} cannot be used: "
            f"{in_words(skipped.merged({}))}. First: {named}. That is more than a quarter; mend "
            "them, or choose others with data.files or data.path"
        )
