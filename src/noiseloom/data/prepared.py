"""Data prepared once: memory-mapped arrays in a folder named by what they were made from.

`$XDG_CACHE_HOME/noiseloom/<key>/` (or ~/.cache, or the recipe's `data.cache`) holds the two splits
as `.npy`, `details.json`, and `manifest.json` with the SHA-256 of each, written last. `<key>` is a
hash of the source's bytes and of how they are prepared. A folder is built aside and renamed, so
two processes may race: the later finds the name taken and uses what is there. On opening, every
file is held against the manifest (remembered as `content` says); a folder that fails is removed
and built again. `learned/` beside the arrays is for others.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from noiseloom.data.content import combined, file_digest, recall, remember, signature
from noiseloom.data.dataset import Split
from noiseloom.errors import MachineError

DETAILS, MANIFEST, LEARNED, VERIFIED = "details.json", "manifest.json", "learned", "verified.json"
ABANDONED_SECONDS = 24 * 3600  # a half-built folder this old has nobody building it

Opened = TypeVar("Opened")
Build = Callable[[Path], dict[str, Any]]  # writes the arrays into a folder, answers the details


@dataclass(frozen=True)
class Prepared:
    """An opened folder: its splits (memory-mapped) and the details its builder left."""

    folder: Path
    train: Split
    reference: Split
    details: dict[str, Any]
    fingerprint: str

    @property
    def learned(self) -> Path:
        return self.folder / LEARNED


def cache_root(cache: str | None) -> Path:
    """The folder all prepared data goes under."""
    if cache is not None:
        return Path(cache).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).expanduser().absolute() / "noiseloom"


def key_of(**facts: Any) -> str:
    """A folder's name from everything its arrays depend on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def open_prepared(root: Path, key: str, build: Build) -> Prepared:
    """The prepared data of this key, built now if it is not there or damaged.

    Raises MachineError where the cache cannot be written, and whatever `build` raises.
    """
    return open_folder(root, key, build, _open)


def open_folder(root: Path, key: str, build: Build, opened: Callable[[Path], Opened]) -> Opened:
    """What `opened` reads in a folder kept as prepared data is, with what `build` writes there."""
    folder = root / key
    for _ in range(3):  # another process may replace a damaged folder while we look at it
        if not folder.exists():
            _build_aside(root, key, build)
        if _whole(folder):
            with suppress(OSError, ValueError):
                return opened(folder)
        _remove(folder)
    raise MachineError(
        f"The prepared data in {folder} cannot be read back right after it was written. "
        "Check the disk, or name another folder with data.cache=DIR."
    )


def fingerprint_of(train: Split, reference: Split, class_names: tuple[str, ...]) -> str:
    """The fingerprint of data that is in memory."""
    arrays = (train.items, train.labels, reference.items, reference.labels)
    digests = ["none" if array is None else _digest(array) for array in arrays]
    names = ["train", "train labels", "reference", "reference labels", "classes"]
    digests.append(json.dumps(class_names))
    for name, split in (("train", train), ("reference", reference)):
        if split.captions is not None:
            names.append(f"{name} captions")
            digests.append(_digest(split.captions))
    return combined(names, digests)


def _digest(array: np.ndarray) -> str:
    facts = f"{array.shape} {array.dtype}".encode()
    return hashlib.sha256(facts + array.tobytes()).hexdigest()


def _build_aside(root: Path, key: str, build: Build) -> None:
    building = root / f".building-{key}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        building.mkdir(parents=True)
        _sweep(root)
        details = build(building)
        (building / DETAILS).write_text(json.dumps(details), encoding="utf-8")
        files = {path.name: file_digest(path) for path in sorted(building.iterdir())}
        (building / MANIFEST).write_text(json.dumps({"files": files}), encoding="utf-8")
        with suppress(OSError):  # the name is taken: another process was faster, use its folder
            building.rename(root / key)
    except OSError as error:
        raise MachineError(
            f"Cannot write prepared data under {root}: {error.strerror or error}. Free some space "
            "there, or name another folder with data.cache=DIR or XDG_CACHE_HOME."
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _whole(folder: Path) -> bool:
    """Whether every file of the folder has the bytes the manifest says."""
    try:
        wanted = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        files = [(name, folder / name) for name in [*sorted(wanted), MANIFEST]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    now, started = signature(files), time.time_ns()
    if recall(folder / VERIFIED, now) is not None:
        return True
    if any(file_digest(folder / name) != digest for name, digest in wanted.items()):
        return False
    remember(folder / VERIFIED, now, "whole", started)
    return True


def details_of(folder: Path) -> dict[str, Any]:
    """What the builder of a folder left."""
    details: dict[str, Any] = json.loads((folder / DETAILS).read_text(encoding="utf-8"))
    return details


def _open(folder: Path) -> Prepared:
    details = details_of(folder)
    files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    arrays = sorted(name for name in files if name.endswith(".npy"))
    names = [*arrays, "classes"]
    digests = [*(files[name] for name in arrays), json.dumps(details["class_names"])]
    return Prepared(
        folder,
        _split(folder, "train"),
        _split(folder, "reference"),
        details,
        combined(names, digests),
    )


def _split(folder: Path, name: str) -> Split:
    items = np.load(folder / f"{name}_items.npy", mmap_mode="r")
    labels, lengths, captions, sizes = (
        folder / f"{name}_{kind}.npy" for kind in ("labels", "lengths", "captions", "sizes")
    )
    return Split(
        items,
        np.load(labels) if labels.exists() else None,
        np.load(lengths) if lengths.exists() else None,
        np.load(captions, mmap_mode="r") if captions.exists() else None,
        np.load(sizes) if sizes.exists() else None,
    )


def _remove(folder: Path) -> None:
    """Out of the way at once (renamed), then deleted; gone already is well too."""
    doomed = folder.with_name(f".damaged-{folder.name}-{secrets.token_hex(4)}")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    except OSError as error:
        raise MachineError(
            f"The prepared data in {folder} is damaged and cannot be removed: "
            f"{error.strerror}. Delete that folder."
        ) from error
    shutil.rmtree(doomed, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Delete what builders that were killed left behind."""
    for left in [*root.glob(".building-*"), *root.glob(".damaged-*")]:
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
