"""Rows of a table, a text or two and a label each: `data: table` in a recipe.

A file is CSV, TSV, JSON lines or Parquet; a folder holds one such file, or several whose names
begin with train and test (or validation, dev). Without a path it is passages of Python's standard
library and the package that each is from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data import library_passages
from noiseloom.data.content import Progress, content_hash
from noiseloom.data.dataset import TextDataset
from noiseloom.data.prepared import cache_root
from noiseloom.data.rows import Rows, open_rows
from noiseloom.data.table_columns import MOST_TEXTS, Columns, choose_columns
from noiseloom.data.table_labels import Labels
from noiseloom.data.table_parts import find_tables
from noiseloom.data.table_rows import read_table
from noiseloom.data.tokenizer import Kind

VERSION = 1  # of the rules for rows: raised when they change


@dataclass(frozen=True, kw_only=True)
class Config:
    """Texts with a label each, from a table."""

    path: str | None = option(
        None, "a table or a folder of some; null: passages of Python's own source"
    )
    text: str | tuple[str, ...] | None = option(
        None, "the column of the text, or of each of two; null: by its name"
    )
    label: str | None = option(None, "the column of the label; null: by its name")
    labels: Labels = option("auto", "what labels are; auto: numbers where they look like measures")
    tokenizer: Kind = option("bpe", "what a token is")
    vocabulary: Annotated[int, Ge(1)] | None = option(
        None, "how many pieces bpe and wordpiece learn; null: as suits the amount of text"
    )
    context: Annotated[int, Ge(1)] = option(128, "tokens of a text that are read")
    held_out: float = option(0.1, "share held out as the reference, where no file is")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        if self.texts is not None and not 1 <= len(self.texts) <= MOST_TEXTS:
            raise ValueError(
                f"text names {len(self.texts)} columns; allowed are one and {MOST_TEXTS}"
            )
        if self.path is None and (self.text, self.label, self.labels) != (None, None, "auto"):
            raise ValueError("text, label and labels are of a table; name one with path")

    @property
    def texts(self) -> tuple[str, ...] | None:
        """The columns of the texts, where the recipe names them."""
        return (self.text,) if isinstance(self.text, str) else self.text

    def describe_source(self) -> str:
        """The source in a few words."""
        return library_passages.SOURCE if self.path is None else self.path

    def open(self, progress: Progress | None = None) -> TextDataset:
        """Prepare the rows, or find them prepared; DataError where they cannot be used."""
        if self.path is None:
            documents = library_passages.documents()
            return self._opened(
                lambda: library_passages.read(documents, self.held_out),
                [(f"{package}/{path.name}", path) for package, path in documents],
                Columns(("passage",), "package"),
                progress,
            )
        parts = find_tables(Path(self.path).expanduser())
        columns = choose_columns(parts.train[0], self.texts, self.label)
        return self._opened(
            lambda: read_table(
                parts,
                columns,
                labels=self.labels,
                held_out=self.held_out,
                source=self.describe_source(),
                progress=progress,
            ),
            parts.files,
            columns,
            progress,
        )

    def _opened(
        self,
        read: Callable[[], Rows],
        files: list[tuple[str, Path]],
        columns: Columns,
        progress: Progress | None,
    ) -> TextDataset:
        source = self.describe_source()
        seen = hashlib.sha256(source.encode()).hexdigest()[:32]
        memory = cache_root(self.cache) / "seen" / f"{seen}.json"
        return open_rows(
            read,
            facts={
                "table": VERSION,
                "content": content_hash(files, memory, progress),
                "label": columns.label,
                "labels": self.labels,
                "held_out": self.held_out,
            },
            source=source,
            columns=columns.texts,
            tokenizer=self.tokenizer,
            vocabulary=self.vocabulary,
            context=self.context,
            cache=self.cache,
            progress=progress,
            spaced=self.tokenizer in ("bpe", "wordpiece"),
        )
