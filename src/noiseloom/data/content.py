"""Has a file changed? Content hashes, and when one taken earlier may be believed.

What is prepared from files is keyed by their bytes (SHA-256): names, sizes and modification times
can all stay the same while the bytes change. Hashing a big folder at every start would be slow, so
a hash is remembered together with each file's size, modification time, *change* time and inode.
No tool can set the change time back, so equal numbers mean equal bytes, with one exception:
a file written again within the clock tick of the hashing. A memory is therefore believed only when
every file had been left alone for `SETTLED_NS` at the time. (On Windows the change time is the
creation time and the memory rests on size and modification time; bits that rot under the file
system are never noticed by looking at its clock.)
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import noiseloom
from noiseloom.errors import MachineError
from noiseloom.media import aside

SETTLED_NS = 2_000_000_000
UNREADABLE = "unreadable"

Progress = Callable[[str, int, int], None]  # what is being done, how many done, of how many


@dataclass(frozen=True)
class Signature:
    """What the file system says about some files: a digest of it, and the newest change in ns."""

    digest: str
    newest: int


def signature(files: Iterable[tuple[str, Path]]) -> Signature:
    """The signature of (name, path) pairs; a file that is gone is part of it as being gone."""
    digest, newest = hashlib.sha256(), 0
    for name, path in files:
        try:
            stat = path.stat()
            facts = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            newest = max(newest, stat.st_mtime_ns, stat.st_ctime_ns)
        except OSError as error:
            facts = (-1, error.errno or 0, 0, 0)
        digest.update(b"%s\0%d %d %d %d\0" % (os.fsencode(name), *facts))
    return Signature(digest.hexdigest(), newest)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, or `UNREADABLE`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return UNREADABLE


@cache
def source_digest(modules: tuple[str, ...]) -> str:
    """A hash of the source of `modules` (paths in the package, no suffix).

    What is kept of their work is keyed by it, so that a change to them is never read past.
    """
    digest = hashlib.sha256()
    for name in modules:
        digest.update((Path(noiseloom.__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def combined(names: Iterable[str], digests: Iterable[str]) -> str:
    """One hash for many files: their names and the digests of their bytes, in the order given."""
    total = hashlib.sha256()
    for name, digest in zip(names, digests, strict=True):
        total.update(b"%s\0%s\0" % (os.fsencode(name), digest.encode()))
    return total.hexdigest()


def content_hash(
    files: Sequence[tuple[str, Path]], memory: Path, progress: Progress | None = None
) -> str:
    """The hash of the files' names and bytes, from `memory` (a file) where it may be believed."""
    now = signature(files)
    known = recall(memory, now)
    if known is not None:
        return known
    started = time.time_ns()
    digests = []
    for done, (_, path) in enumerate(files):
        digests.append(file_digest(path))
        if progress:
            progress("reading files", done + 1, len(files))
    content = combined([name for name, _ in files], digests)
    if signature(files) == now:
        remember(memory, now, content, started)
    return content


def recall(memory: Path, now: Signature) -> str | None:
    """The content remembered in the file `memory` for files that still have the signature `now`."""
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
        settled = now.newest + SETTLED_NS < known["hashed_at"]
        return str(known["content"]) if settled and known["signature"] == now.digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(memory: Path, seen: Signature, content: str, hashed_at: int) -> None:
    """Note what `recall` answers; where nothing can be written, hashing again is all it costs."""
    note = {"signature": seen.digest, "content": content, "hashed_at": hashed_at}
    with suppress(OSError, MachineError), aside(memory) as temporary:
        temporary.write_text(json.dumps(note), encoding="utf-8")
