"""Checkpoints that survive: written aside, synced, sealed by a hash manifest, then renamed.

    checkpoints/step-00000500/   model.safetensors, average.safetensors, optimizer.safetensors,
                                 state.json, manifest.json
    checkpoints/latest           the name of the newest one

A folder without a manifest that fits its files is damaged: the one before it is used, and said. An
older checkpoint is removed only after the newer one has been read back. Kept are the last three,
the best, and the last in each tenth of the run.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from noiseloom.errors import MachineError

MANIFEST = "manifest.json"
KEPT_LAST = 3
TENTHS = 10


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: groups of named tensors, and a small JSON state with its `step`."""

    groups: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class DamagedCheckpoint(MachineError):
    """A checkpoint whose files are not those its manifest sealed; the text says which and how."""


class CheckpointFolder:
    """The checkpoints of one run, in `folder`; made when the first is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` lies."""
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """The steps that have a checkpoint folder, rising; damaged ones included."""
        names = (path.name for path in self.folder.glob("step-*") if path.is_dir())
        return sorted(int(name[5:]) for name in names if re.fullmatch(r"step-\d{8}", name))

    def save(self, checkpoint: Checkpoint, total_steps: int) -> Path:
        """Write a checkpoint, read it back, then clear away what need not be kept.

        Raises MachineError (disk full, folder read-only) with every older checkpoint untouched.
        """
        step = checkpoint.state["step"]
        aside = self.folder / f".writing-step-{step:08d}"
        remedy = f"What was saved before is intact: noiseloom resume {self.folder.parent}"
        with disk_errors(f"The checkpoint of step {step}", self.folder, remedy):
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
            try:
                aside.mkdir()
                _write_files(aside, checkpoint)
                target = self.path(step)
                if target.exists():  # the same step, written before an interruption
                    shutil.rmtree(target)
                aside.rename(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            sync_folder(self.folder)
            verify(target)
            write_text(self.folder / "latest", target.name + "\n")
        self._clear(total_steps)
        return target

    def sweep(self) -> None:
        """Remove what a killed save left behind, and have `latest` name the newest again."""
        for aside in self.folder.glob(".writing-*"):
            shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
        if steps := self.steps():
            write_text(self.folder / "latest", self.path(steps[-1]).name + "\n")

    def load(
        self, step: int | None = None, warn: Callable[[str], None] = lambda text: None
    ) -> Checkpoint | None:
        """The newest sound checkpoint (or that of `step`); None where there is none.

        A damaged one is passed over and `warn` told. Raises DamagedCheckpoint where the asked step
        is damaged.
        """
        if step is not None:
            return read(self.path(step))
        for candidate in reversed(self.steps()):
            try:
                return read(self.path(candidate))
            except DamagedCheckpoint as damage:
                warn(f"{damage} It is passed over; the checkpoint before it is used.")
        return None

    def best(self) -> int | None:
        """The step with the lowest held-out loss, where one was measured."""
        losses = {}
        for step in self.steps():
            try:
                state = json.loads((self.path(step) / "state.json").read_text())
            except (OSError, ValueError):
                continue
            if state.get("held_out_loss") is not None:
                losses[step] = state["held_out_loss"]
        return min(losses, key=losses.__getitem__) if losses else None

    def _clear(self, total_steps: int) -> None:
        steps = self.steps()
        in_tenths = {min(TENTHS - 1, step * TENTHS // max(1, total_steps)): step for step in steps}
        keep = {*steps[-KEPT_LAST:], *in_tenths.values(), self.best()}
        for step in steps:
            if step not in keep:  # one that cannot be removed now is removed after a later save
                shutil.rmtree(self.path(step), ignore_errors=True)


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    for name, tensors in checkpoint.groups.items():
        contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        save_file(contiguous, folder / f"{name}.safetensors")
    (folder / "state.json").write_text(
        json.dumps(checkpoint.state, indent=1, sort_keys=True, allow_nan=False)
    )
    seals = {}
    for path in sorted(folder.iterdir()):
        sync_file(path)
        seals[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_text(folder / MANIFEST, json.dumps(seals, indent=1))


def verify(folder: Path) -> None:
    """Raise DamagedCheckpoint unless every file is as the manifest sealed it."""
    try:
        seals = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        raise DamagedCheckpoint(f"The checkpoint {folder} has no readable manifest.") from None
    for name, seal in seals.items():
        path = folder / name
        if not path.is_file():
            raise DamagedCheckpoint(f"The checkpoint {folder} has lost its file {name}.")
        if path.stat().st_size != seal["bytes"]:
            raise DamagedCheckpoint(
                f"The checkpoint {folder} is damaged: {name} has {path.stat().st_size} bytes, "
                f"{seal['bytes']} were written."
            )
        if sha256(path) != seal["sha256"]:
            raise DamagedCheckpoint(f"The checkpoint {folder} is damaged: {name} has changed.")


def read(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`, verified; DamagedCheckpoint where it is not sound."""
    verify(folder)
    try:
        groups = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
    except SafetensorError as error:
        raise DamagedCheckpoint(f"The checkpoint {folder} cannot be read: {error}.") from None
    return Checkpoint(groups, json.loads((folder / "state.json").read_text()))


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Have the file's bytes on the disk before going on."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the folder's names on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one instant: aside, synced, renamed."""
    aside = path.with_name(f".writing-{path.name}")
    try:
        aside.write_text(text, encoding="utf-8")
        sync_file(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def disk_errors(what: str, folder: Path, remedy: str = "") -> Iterator[None]:
    """Turn what a disk can do to a write of `what` into one MachineError that says what to do."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            reason = "the disk is full; free some space"
        elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
            reason = f"{error}; make the folder writable, or name another with --out"
        else:
            reason = str(error)
        text = f"{what} could not be written to {folder}: {reason}."
        raise MachineError(f"{text} {remedy}".rstrip()) from error
