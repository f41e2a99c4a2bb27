"""Tables of lines: CSV as RFC 4180 has it, and TSV, whose lines are split at tabs and no more.

The first line names the columns. Of CSV they stand between commas, or semicolons where the first
line has more of these; a field in quotes may hold either, line ends, and quotes written twice.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noiseloom.data.lines import LONGEST, NOT_UTF8, TOO_LONG, not_utf8, numbered_lines
from noiseloom.data.skipped import Skipped
from noiseloom.errors import DataError

WRONG_COUNT, WRONG_QUOTES = "with a wrong number of fields", "with quotes that do not close"
QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
Numbered = tuple[int, str | None]


@dataclass(frozen=True)
class Delimited:
    """The lines of a file as rows of fields; `quoted`: fields may stand in quotes."""

    path: Path
    name: str
    delimiter: str
    quoted: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the first line; DataError where they name no table."""
        line, fields = next(self._records(Skipped()), (0, list[str]()))
        if not any(fields):
            raise DataError(f"{self.name} is empty; its first line must name its columns")
        named = [one.strip() or f"column {place}" for place, one in enumerate(fields, 1)]
        if bad := next((one for one in named if not_utf8(one)), None):
            raise DataError(
                f"{self.name}:{line}: {not_utf8(bad)} is {NOT_UTF8}. Save the file as UTF-8 text"
            )
        if twice := next((one for one in named if named.count(one) > 1), None):
            raise DataError(
                f"{self.name}:{line}: two columns are named '{twice}'. Rename one of them"
            )
        return tuple(named)

    def rows(self, skipped: Skipped) -> Iterator[tuple[str, dict[str, str]]]:
        """Where each row stands, `file:line`, and its fields by column; bad ones are `skipped`."""
        columns, records = self.columns, self._records(skipped)
        next(records)
        for line, fields in records:
            place = f"{self.name}:{line}"
            if len(fields) != len(columns):
                skipped.add(place, WRONG_COUNT, f"{len(fields)} of {len(columns)}")
            elif bad := next((byte for one in fields if (byte := not_utf8(one))), None):
                skipped.add(place, NOT_UTF8, bad)
            else:
                yield place, dict(zip(columns, fields, strict=True))

    def _records(self, skipped: Skipped) -> Iterator[tuple[int, list[str]]]:
        """The fields of each record with the number of its first line; empty lines are none."""
        lines = _Lines(numbered_lines(self.path, self.name))
        delimiter, is_first = self.delimiter, True
        for number, line in lines:
            if line is None:
                skipped.add(f"{self.name}:{number}", TOO_LONG)
                continue
            if not line:
                continue
            if is_first and self.quoted and line.count(";") > line.count(delimiter):
                delimiter = ";"
            is_first = False
            if not self.quoted or '"' not in line:
                yield number, line.split(delimiter)
            elif (fields := _quoted(line, delimiter, lines)) is not None:
                yield number, fields
            else:
                skipped.add(f"{self.name}:{number}", WRONG_QUOTES)


class _Lines:
    """Numbered lines that can be looked ahead at."""

    def __init__(self, lines: Iterator[Numbered]) -> None:
        self.lines = lines
        self.seen: deque[Numbered] = deque()

    def __iter__(self) -> Iterator[Numbered]:
        while True:
            if self.seen:
                yield self.seen.popleft()
            elif (line := next(self.lines, None)) is not None:
                yield line
            else:
                return

    def ahead(self, place: int) -> str | None:
        """The line that comes after `place` others; None: there is none that can be read."""
        while len(self.seen) <= place:
            if (line := next(self.lines, None)) is None:
                return None
            self.seen.append(line)
        return self.seen[place][1]

    def drop(self, number: int) -> None:
        """Leave out the next lines, which have been looked at."""
        for _ in range(number):
            self.seen.popleft()


def _quoted(text: str, delimiter: str, lines: _Lines) -> list[str] | None:
    """The fields of a record that begins with `text` and may go on in the next `lines`.

    None where a quote does not close where a field ends; then only the first line is used up.
    """
    fields, at, taken = list[str](), 0, 0
    while True:
        if not text.startswith('"', at):
            end = text.find(delimiter, at)
            fields.append(text[at : len(text) if end < 0 else end])
            at = len(text) if end < 0 else end
        else:
            while (found := QUOTED.match(text, at)) is None:
                parts = [text]
                while True:  # only a line with a quote can close it
                    following = lines.ahead(taken)
                    if following is None or sum(map(len, parts)) > LONGEST:
                        return None
                    taken += 1
                    parts.append(following)
                    if '"' in following:
                        break
                text = "\n".join(parts)
            fields.append(found[1].replace('""', '"'))
            at = found.end()
        if at == len(text):
            lines.drop(taken)
            return fields
        if text[at] != delimiter:
            return None
        at += 1
