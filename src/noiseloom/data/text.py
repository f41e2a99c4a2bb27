"""A text, or several, to be learned token by token: `data: text` in a recipe.

A file is one text, of which the last part is held out. A folder is several, and so is a table
whose `column` of text is named; of these whole ones are held out: those that a hash of their
content picks. Without a path it is the source of Python's standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from noiseloom.config import option
from noiseloom.data.content import Progress
from noiseloom.data.corpus import open_corpus
from noiseloom.data.dataset import TextDataset
from noiseloom.data.documents import Document
from noiseloom.data.python_source import python_files
from noiseloom.data.tokenizer import Kind
from noiseloom.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Config:
    """Text to be learned token by token."""

    path: str | None = option(None, "a file, or a folder; null: Python's own source")
    files: str = option("*", "of a folder, the files whose names match")
    column: str | None = option(
        None, "of tables (CSV, TSV, JSONL, Parquet), the column whose rows are the texts"
    )
    megabytes: float | None = option(
        None, "so much of several texts, spread evenly over them, or of one, MB; null: all"
    )
    tokenizer: Kind = option("bpe", "what a token is")
    vocabulary: Annotated[int, Ge(1)] = option(1024, "how many pieces bpe and wordpiece learn")
    context: Annotated[int, Ge(2)] = option(128, "tokens read at once")
    stride: int | None = option(
        1, "tokens from one training window to the next; null: as many as are read at once"
    )
    held_out: float = option(0.1, "share held out as the reference")
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        if self.megabytes is not None and self.megabytes <= 0:
            raise ValueError(f"megabytes is {self.megabytes}; allowed is more than 0, or null")
        if self.column is not None and self.path is None:
            raise ValueError(f"column is {self.column} and path is null; path must name the tables")
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"stride is {self.stride}; allowed is 1 or more, or null")

    def describe_source(self) -> str:
        """The source in a few words."""
        return "the source of Python's standard library" if self.path is None else self.path

    def open(self, progress: Progress | None = None) -> TextDataset:
        """Prepare the text, or find it prepared; DataError where it cannot be used."""
        return open_corpus(
            self._documents(),
            source=self.describe_source(),
            kind=self.tokenizer,
            vocabulary=self.vocabulary,
            context=self.context,
            stride=self.stride or self.context,
            held_out=self.held_out,
            megabytes=self.megabytes,
            cache=self.cache,
            progress=progress,
        )

    def _documents(self) -> list[Document]:
        if self.path is None:
            return [Document(str(path), path) for path in python_files()]
        path = Path(self.path).expanduser()
        if path.is_file():
            return [Document(str(path), path, self.column)]
        if not path.is_dir():
            raise DataError(f"There is nothing at {path}; data.path names a text file or a folder")
        inside = [(one, one.relative_to(path)) for one in path.rglob(self.files) if one.is_file()]
        found = sorted(pair for pair in inside if not _is_hidden(pair[1]))
        if not found:
            raise DataError(f"{path} holds no file whose name matches data.files '{self.files}'")
        return [Document(str(name), one, self.column) for one, name in found]


def _is_hidden(path: Path) -> bool:
    """Whether a dot begins the name of it or of a folder that it is in."""
    return any(part.startswith(".") for part in path.parts)
