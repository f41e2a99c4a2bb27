"""A run's samples on disk as `--out` asks for them: one sheet, a GIF, arrays, a folder of files.

Where samples are clips, a .png is their frames in strips, a .gif or .mp4 all of them moving side by
side, and a folder holds one GIF a clip.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from noiseloom.errors import InputError
from noiseloom.media.clips import codecs, milliseconds, save_clip_folder, save_mp4, sheets, strip
from noiseloom.media.pictures import (
    aside,
    captioned_grid,
    grid,
    picture_of,
    save_gif,
    save_png,
    scatter,
)

RATE = 8.0  # frames a second of clips that say nothing of it
HOLD_MS = 1500
MOST_OF_CAPTION = 60  # characters in the name of a file

Kind = Literal["png", "gif", "mp4", "npz", "folder"]


def sample_kind(out: str | Path, *, clips: bool = False) -> Kind:
    """What to write for `--out`: by suffix, or a folder where there is none or it ends in a slash.

    Raises InputError before any work where the name cannot be written to; MP4 is for `clips`.
    """
    path, suffix = Path(out), Path(out).suffix.lower()
    if str(out).endswith(("/", os.sep)) or path.is_dir() or not suffix:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; a folder of samples needs another name.")
        if path.is_dir() and any(path.iterdir()):
            raise InputError(
                f"The folder {path} already holds files. Name an empty or a new one for samples."
            )
        return "folder"
    kinds: dict[str, Kind] = {".png": "png", ".gif": "gif", ".npz": "npz"}
    if suffix in kinds:
        return kinds[suffix]
    if suffix == ".mp4" and clips:
        codecs()
        return "mp4"
    allowed = (
        "FILE.png (strips of frames), FILE.gif, FILE.mp4, FILE.npz (arrays), or DIR/ (a GIF a clip)"
        if clips
        else "FILE.png (a grid), FILE.gif, FILE.npz (arrays), or DIR/ (one PNG a sample)"
    )
    raise InputError(f"{out} ends in '{suffix}'. Allowed: {allowed}.")


def save_samples(
    items: np.ndarray,
    labels: np.ndarray | None,
    out: str | Path,
    *,
    recipe_text: str = "",
    class_names: Sequence[str] = (),
    columns: int | None = None,
    frames: Sequence[np.ndarray] | None = None,
    captions: Sequence[str] | None = None,
    rate: float = RATE,
) -> Path:
    """Write samples where and as `out` says: a grid, a GIF, arrays, or a folder of files.

    `frames` are the same items at each step, for a GIF; without them it shows one item a frame.
    `.npz` holds `images` (uint8, N x H x W x C), `clips` (uint8, N x T x H x W x C) or `points`
    (float32, N x 2), and `labels` (int64) where there are any. The files of a folder are named
    `00000_label.png`. `captions` are what was asked for in words: they stand on sheets, in `.npz`
    as `captions`, and in a folder in its `metadata.jsonl`, so that it is a data set with captions.
    Clips are shown at `rate` frames a second.
    """
    kind, path = sample_kind(out, clips=items.ndim == 5), Path(out)
    text = {"Software": "noiseloom", **({"recipe": recipe_text} if recipe_text else {})}
    if items.ndim == 5 and kind != "npz":
        names = _names(len(items), labels, class_names, captions)
        return _save_clips(items, path, kind, names, columns, rate, text, captions)
    if kind == "npz":
        return _save_npz(items, labels, path, captions)
    if kind == "folder":
        return _save_folder(
            items, path, _names(len(items), labels, class_names, captions), text, captions
        )
    if kind == "png":
        return save_png(_sheet(items, labels, columns, captions=captions), path, text)
    if frames is None:
        pictures = items.ndim == 4
        frames = [items[i : i + 1] for i in range(len(items))] if pictures else [items]
    limit = None if items.ndim == 4 else float(np.abs(items).max(initial=1e-3)) * 1.05
    if len(frames) and len(frames[0]) != len(items):
        captions = None  # an item a frame
    sheets = [_sheet(frame, labels, columns, limit, captions) for frame in frames]
    return save_gif(sheets, path, hold_ms=HOLD_MS, text=recipe_text)


def _sheet(
    items: np.ndarray,
    labels: np.ndarray | None,
    columns: int | None,
    limit: float | None = None,
    captions: Sequence[str] | None = None,
) -> Image.Image:
    if captions is not None:
        return captioned_grid(items, captions, columns)
    return grid(items, columns) if items.ndim == 4 else scatter(items, labels, limit=limit)


def _save_clips(
    clips: np.ndarray,
    path: Path,
    kind: Kind,
    names: Sequence[str],
    columns: int | None,
    rate: float,
    text: Mapping[str, str],
    captions: Sequence[str] | None,
) -> Path:
    recipe_text = text.get("recipe", "")
    match kind:
        case "png":
            return save_png(strip(clips, captions), path, text)
        case "mp4":
            return save_mp4(sheets(clips, columns, captions=captions), path, rate, recipe_text)
        case "folder":
            with _new_folder(path) as folder:
                save_clip_folder(clips, names, folder, rate)
                _write_captions(folder, [f"{name}.gif" for name in names], captions)
            return path
        case _:
            moving = sheets(clips, columns, captions=captions)
            return save_gif(moving, path, duration_ms=milliseconds(rate), text=recipe_text)


def _save_npz(
    items: np.ndarray, labels: np.ndarray | None, path: Path, captions: Sequence[str] | None
) -> Path:
    name = {2: "points", 4: "images", 5: "clips"}[items.ndim]
    arrays: dict[str, Any] = {name: items if items.dtype == np.uint8 else items.astype(np.float32)}
    if labels is not None:
        arrays["labels"] = np.asarray(labels, dtype=np.int64)
    if captions is not None:
        arrays["captions"] = np.array(captions, dtype=np.str_)
    with aside(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def _save_folder(
    items: np.ndarray,
    path: Path,
    names: Sequence[str],
    text: Mapping[str, str],
    captions: Sequence[str] | None,
) -> Path:
    if items.ndim != 4:
        raise InputError(f"Points cannot be written as the folder {path}. Allowed: .png, .npz.")
    with _new_folder(path) as folder:
        for item, name in zip(items, names, strict=True):
            save_png(picture_of(item), folder / f"{name}.png", text)
        _write_captions(folder, [f"{name}.png" for name in names], captions)
    return path


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Where to write what is to lie in `path`: aside until it is whole, if that is new."""
    if path.is_dir():
        yield path
        return
    with aside(path) as temporary:
        temporary.mkdir()
        yield temporary


def _names(
    num: int,
    labels: np.ndarray | None,
    class_names: Sequence[str],
    captions: Sequence[str] | None,
) -> list[str]:
    """`00000_label` for each sample, with what a file system may not like made into dashes."""
    names = []
    for index in range(num):
        word = ""
        if labels is not None:
            label = int(labels[index])
            word = f"_{class_names[label] if label < len(class_names) else label}"
        if captions is not None:
            word = f"_{captions[index]}"[:MOST_OF_CAPTION]
        names.append(f"{index:05d}{re.sub(r'[^A-Za-z0-9._-]', '-', word)}")
    return names


def _write_captions(folder: Path, names: Sequence[str], captions: Sequence[str] | None) -> None:
    """`metadata.jsonl`: the caption of each file."""
    if captions is None:
        return
    rows = [{"file_name": name, "text": text} for name, text in zip(names, captions, strict=True)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")
