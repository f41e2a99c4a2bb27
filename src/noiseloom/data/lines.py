"""The lines of a text file, gzip too: one at a time, whatever the file holds.

A line ends at a line feed, with or without a carriage return before it, and nowhere else. One above
`LONGEST` bytes is read past without being held.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from noiseloom.errors import DataError

LONGEST = 10_000_000  # bytes
TOO_LONG = f"longer than {LONGEST / 1e6:g} MB"
NOT_UTF8 = "not valid UTF-8"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def numbered_lines(path: Path, name: str) -> Iterator[tuple[int, str | None]]:
    """Each line with its number from 1, without its end; None for one that is too long.

    Bytes that are no UTF-8 come as surrogates (`not_utf8` finds them). Raises DataError, with the
    file's `name`, where it cannot be read on.
    """
    number = 0
    try:
        with _opened(path) as file:
            for line in _bounded(file):
                number += 1
                if number == 1 and line is not None:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                yield number, None if line is None else line.decode("utf-8", "surrogateescape")
    except (OSError, EOFError, zlib.error) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"{name} cannot be read after line {number}: {why}") from error


def not_utf8(text: str) -> str | None:
    """`byte 0xff` for the first byte of `text` that is no UTF-8; None where all are."""
    if text.isascii():
        return None
    byte = next((ord(one) for one in text if "\udc80" <= one <= "\udcff"), None)
    return None if byte is None else f"byte 0x{byte - 0xDC00:02x}"


def _opened(path: Path) -> BinaryIO:
    is_packed = path.suffix.lower() == ".gz"
    return cast(BinaryIO, gzip.open(path)) if is_packed else path.open("rb")


def _bounded(file: BinaryIO) -> Iterator[bytes | None]:
    while line := file.readline(LONGEST + 2):
        if line.endswith(b"\n") or len(line) <= LONGEST:
            yield line.removesuffix(b"\n").removesuffix(b"\r")
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST)
        yield None
