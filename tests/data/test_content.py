"""When a remembered hash may be believed."""

import os
import time
from pathlib import Path

from noiseloom.data.content import SETTLED_NS, content_hash, recall, remember, signature


def files(folder: Path) -> list[tuple[str, Path]]:
    return [(path.name, path) for path in sorted(folder.glob("*.png"))]


def test_hash_is_of_names_and_bytes(tmp_path: Path) -> None:
    hashes = set()
    for index, (name, text) in enumerate([("a", "x"), ("b", "x"), ("a", "y")]):
        folder = tmp_path / str(index)
        folder.mkdir()
        (folder / f"{name}.png").write_text(text)
        hashes.add(content_hash(files(folder), tmp_path / "memory" / str(index)))
    assert len(hashes) == 3


def test_memory_of_files_just_written_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    now, memory = signature(files(tmp_path)), tmp_path / "memory"
    remember(memory, now, "hash", time.time_ns())
    assert recall(memory, now) is None
    remember(memory, now, "hash", now.newest + SETTLED_NS + 1)
    assert recall(memory, now) == "hash"


def test_memory_ends_with_any_change(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").write_text("x")
    memory = tmp_path / "memory"

    def believed() -> bool:
        return recall(memory, signature(files(tmp_path))) is not None

    def settle() -> None:
        now = signature(files(tmp_path))
        remember(memory, now, "hash", now.newest + SETTLED_NS + 1)
        assert believed()

    settle()
    (tmp_path / "c.png").write_text("x")
    assert not believed()
    settle()
    (tmp_path / "c.png").rename(tmp_path / "d.png")
    assert not believed()
    settle()
    stat = (tmp_path / "a.png").stat()
    time.sleep(0.02)  # the clock of the file system ticks
    (tmp_path / "a.png").write_text("y")
    os.utime(tmp_path / "a.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not believed()
    settle()
    (tmp_path / "b.png").unlink()
    assert not believed()


def test_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    now, memory = signature(files(tmp_path)), tmp_path / "memory"
    for text in ("", "{", "[]", "3", '{"content": 1}', '{"hashed_at": "x", "signature": "s"}'):
        memory.write_text(text)
        assert recall(memory, now) is None


def test_memory_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "file").touch()
    assert content_hash(files(tmp_path), tmp_path / "file" / "memory")
