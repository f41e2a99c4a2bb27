"""The source of Python's own standard library: a text that is on every machine, never copied."""

from __future__ import annotations

import sysconfig
from pathlib import Path

LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


def python_files() -> list[Path]:
    """The library's files, without its tests and without what was installed, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    found = (path for path in root.rglob("*.py") if not LEFT_OUT & set(path.parts))
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())
