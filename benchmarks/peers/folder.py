"""The folder of a comparison: JSON documents and arrays of samples, replaced in one instant."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np


def read(path: Path) -> dict[str, Any]:
    """A JSON document, {} where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write(path: Path, content: dict[str, Any]) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    aside.replace(path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz, {} where there is none."""
    if not path.is_file():
        return {}
    with np.load(path) as arrays:
        return dict(arrays)


def add_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Put arrays (images uint8, some hundred KB each) beside those that the file has."""
    aside = path.with_suffix(".part.npz")
    np.savez_compressed(aside, **{**read_arrays(path), **arrays})
    aside.replace(path)


def judge_cache() -> Path:
    """Where `judge.py` keeps its network, too."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noiseloom" / "judge"
