"""What a frozen text model says of captions: of those of a data set kept on disk, of others asked.

    <prepared data>/learned/captions/<key>/    hashes.npy (N,), rows.npy (N, L), starts.npy (N + 1,)
                                               states.npy (tokens of all, width), float16

`<key>` is a hash of the data, of the model's files and of the code that reads; a caption is found
by the hash of its tokens and then compared with them. What is kept is memory-mapped, and rounded to
16 bits, as is what a prompt is read as: either way a caption says the same.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseloom.data.caption_tokens import Captions
from noiseloom.data.content import Progress, source_digest
from noiseloom.data.dataset import Dataset, Split
from noiseloom.data.prepared import details_of, key_of, open_folder
from noiseloom.data.text_model import TextModel
from noiseloom.errors import InputError, MachineError

CODE = ("data/caption_states", "data/caption_tokens", "data/text_model")
CHUNK = 4_096  # tokens whose states are summed up at once
REMEMBERED = 4_096  # prompts whose states stay in memory


@dataclass(frozen=True)
class Kept:
    """The states of a data set's captions, by their rows of tokens; see the head of this file."""

    hashes: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    states: np.ndarray
    cut: int
    """Of how many the model reads a first part only."""
    mean: np.ndarray
    deviation: np.ndarray
    """Of each of the states' numbers over all tokens, (width,)."""

    def find(self, row: np.ndarray) -> np.ndarray | None:
        """The states (tokens, width) of a caption, if they are kept."""
        place = int(np.searchsorted(self.hashes, np.uint64(_hash(row))))
        if place == len(self.rows) or not np.array_equal(self.rows[place], row):
            return None
        found: np.ndarray = self.states[self.starts[place] : self.starts[place + 1]]
        return found


class CaptionStates:
    """What `model` says of captions, which are rows of tokens that `captions` turns into words."""

    def __init__(self, captions: Captions, model: TextModel) -> None:
        self.captions, self.text_model = captions, model
        self.width, self.longest, self.model = model.width, model.longest, model.given
        self.digest = model.digest
        self.kept: Kept | None = None
        self._known: dict[bytes, np.ndarray] = {}

    def states(
        self, captions_BL: Tensor, device: torch.device, multiple: int
    ) -> tuple[Tensor, Tensor]:
        """See `networks.caption_states.Reads`; each prompt that is not kept is read once."""
        rows = self._filled(captions_BL.cpu().numpy())
        found = self._found(rows, device)
        longest = max(map(len, found), default=0)
        longest = min(self.longest, -(-longest // multiple) * multiple)
        states = np.zeros((len(rows), longest, self.width), np.float16)
        for place, one in zip(states, found, strict=True):
            place[: len(one)] = one
        is_real = np.arange(longest) < np.array([len(one) for one in found])[:, None]
        return torch.from_numpy(states).to(device), torch.from_numpy(is_real).to(device)

    def keep(self, dataset: Dataset, device: torch.device, progress: Progress | None) -> Kept:
        """Read all captions of a data set, or find them read; from then on none is read again.

        Raises MachineError where they cannot be written.
        """
        key = key_of(
            data=dataset.fingerprint,
            model=self.digest.hex(),
            longest=self.longest,
            code=source_digest(CODE),
        )

        def build(folder: Path) -> dict[str, Any]:
            return self._build(folder, (dataset.train, dataset.reference), device, progress)

        self.kept = open_folder(dataset.cache / "captions", key, build, _open)
        return self.kept

    def _found(self, rows: np.ndarray, device: torch.device) -> list[np.ndarray]:
        """The states of each row, none of padding alone."""
        found: dict[bytes, np.ndarray] = {}
        asked: dict[bytes, np.ndarray] = {}
        keys = [row.tobytes() for row in rows]
        for key, row in zip(keys, rows, strict=True):
            if key in found or key in asked:
                continue
            if row[0] == self.captions.padding:
                found[key] = np.zeros((0, self.width), np.float16)
            elif (states := self._remembered(key, row)) is not None:
                found[key] = states
            else:
                asked[key] = row
        if asked:
            found |= self._ask(asked, device)
        return [found[key] for key in keys]

    def _remembered(self, key: bytes, row: np.ndarray) -> np.ndarray | None:
        """The states of a caption that was read before."""
        if (states := self._known.get(key)) is None and self.kept is not None:
            return self.kept.find(row)
        return states

    def _ask(self, asked: dict[bytes, np.ndarray], device: torch.device) -> dict[bytes, np.ndarray]:
        """What the model says of captions now, the last of which are remembered."""
        tokens = self.text_model.tokens(self.captions.decode(np.stack(list(asked.values()))))
        said = {key: np.zeros((0, self.width), np.float16) for key in asked}
        keys = list(asked)
        for place, states in self.text_model.read(tokens, device):
            said[keys[place]] = states
        self._known |= said
        for key in list(self._known)[:-REMEMBERED]:
            del self._known[key]
        return said

    def _filled(self, rows: np.ndarray) -> np.ndarray:
        """Rows as data has them: as long as the longest of its captions."""
        missing = self.captions.longest - rows.shape[1]
        if missing <= 0:
            return np.ascontiguousarray(rows, np.int32)
        filled = np.pad(rows, ((0, 0), (0, missing)), constant_values=self.captions.padding)
        return np.ascontiguousarray(filled, np.int32)

    def _build(
        self,
        folder: Path,
        splits: Iterable[Split],
        device: torch.device,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Read every caption once and write what `Kept` holds."""
        hashes, rows = _distinct(splits, self.captions)
        texts = self.captions.decode(rows)
        tokens = self.text_model.tokens(texts)
        starts = np.concatenate([[0], np.cumsum([len(one) for one in tokens], dtype=np.int64)])
        if not starts[-1]:
            raise InputError(f"{self.model} makes no token of any caption; use another model")
        _check_space(folder, 2 * int(starts[-1]) * self.width)
        shape = (int(starts[-1]), self.width)
        states = np.lib.format.open_memmap(folder / "states.npy", "w+", np.float16, shape)
        for place, said in self.text_model.read(tokens, device, progress):
            states[starts[place] : starts[place + 1]] = said
        states.flush()
        mean, deviation = _moments(states)
        self.text_model.release()
        for name, array in (("hashes", hashes), ("rows", rows), ("starts", starts)):
            np.save(folder / f"{name}.npy", array)
        return {
            "captions": len(rows),
            "cut": len(self.text_model.too_long(texts)),
            "mean": mean.tolist(),
            "deviation": deviation.tolist(),
        }


def _distinct(splits: Iterable[Split], captions: Captions) -> tuple[np.ndarray, np.ndarray]:
    """All captions of the splits once, (N, L) int32, in the order of their hashes (N,)."""
    found: dict[int, np.ndarray] = {}
    for split in splits:
        if split.captions is None:
            continue
        for rows in split.captions:
            for row in rows:
                if row[0] != captions.padding:
                    found.setdefault(_hash(row), np.array(row))
    hashes = np.array(sorted(found), np.uint64)
    rows = [found[one] for one in hashes.tolist()]
    return hashes, np.stack(rows) if rows else np.zeros((0, captions.longest), np.int32)


def _hash(row: np.ndarray) -> int:
    """64 bits of the SHA-256 of a caption's tokens."""
    return int.from_bytes(hashlib.sha256(row.tobytes()).digest()[:8], "little")


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MachineError(
            f"What the model says of the captions needs about {needed / 1e6:,.0f} MB under "
            f"{folder.parent}, which has {free / 1e6:,.0f} MB free. Free some space, or name "
            "another folder with data.cache=DIR"
        )


def _open(folder: Path) -> Kept:
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r")
        for name in ("hashes", "rows", "starts", "states")
    }
    details = details_of(folder)
    mean, deviation = (np.array(details[name], np.float32) for name in ("mean", "deviation"))
    return Kept(**arrays, cut=details["cut"], mean=mean, deviation=deviation)


def _moments(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each number, a chunk at a time in float64."""
    total, squares = (np.zeros(states.shape[1]) for _ in range(2))
    for first in range(0, len(states), CHUNK):
        part = states[first : first + CHUNK].astype(np.float64)
        total += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    mean = total / len(states)
    return mean, np.sqrt(np.maximum(squares / len(states) - np.square(mean), 0))
