"""Frames that a run of clips is given, to go on with or to fill in between: from files."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from noiseloom.data.clip_files import ClipFile, Frames, find_clips, read_clip
from noiseloom.data.decode import BadImageError, quiet
from noiseloom.data.forms import Form, VideoForm
from noiseloom.errors import InputError
from noiseloom.tasks import Known


def read_given(
    form: Form,
    path: str | Path,
    num: int,
    *,
    frames: int | None = None,
    at: Sequence[int] | None = None,
) -> Known:
    """Frames of the clip at `path` for each of `num` samples: its first `frames`, or those `at`.

    With neither, as many of the first as there are, but at least one is left to be made. `at` are
    the numbers of frames, from 1: a file of just so many frames has them all, in this order, every
    other those of these numbers. They are brought to the size and, unless the file has no more than
    these frames or says no rate, to the rate of the run's clips. Raises InputError.
    """
    if frames is not None and at is not None:
        raise InputError("--given-frames and --given-at are both given; leave one of them out")
    if not isinstance(form, VideoForm):
        raise InputError("--given names a clip to go on with, and this run makes no clips")
    clip = _at(Path(path).expanduser())
    channels, length, height, _ = form.item_shape
    try:
        with quiet():
            read = read_clip(clip, height, channels)
    except BadImageError as error:
        raise InputError(f"{path} cannot be used: {error}") from error
    item = np.zeros((length, *read.pixels.shape[1:]), np.uint8)
    if at is None:
        given = _first(read, form, path, frames)
        item[: len(given)] = given
        places = list(range(len(given)))
    else:
        places = [number - 1 for number in at]
        item[places] = _chosen(read, form, path, at)
    return Known.of(form.to_model(np.repeat(item[None], num, axis=0)), places)


def _first(read: Frames, form: VideoForm, path: str | Path, frames: int | None) -> np.ndarray:
    """The first frames; InputError where there are not so many, or none is left to be made."""
    pixels, length = read.at_rate(form.rate), form.frames
    given = min(len(pixels), length - 1) if frames is None else frames
    if not 1 <= given <= min(len(pixels), length - 1):
        raise InputError(
            f"--given-frames is {given}; {path} has {len(pixels)} frames at {form.rate:g} a second "
            f"and the run makes clips of {length}. Allowed is 1 to {min(len(pixels), length - 1)}"
        )
    return pixels[:given]


def _chosen(read: Frames, form: VideoForm, path: str | Path, at: Sequence[int]) -> np.ndarray:
    """The frames that are to stand at these numbers; InputError where they cannot."""
    rising = all(one < other for one, other in pairwise(at))
    if not at or not rising or at[0] < 1 or at[-1] > form.frames or len(at) == form.frames:
        raise InputError(
            f"--given-at is {','.join(map(str, at)) or 'empty'}; the run makes clips of "
            f"{form.frames} frames. Allowed are rising numbers from 1 to {form.frames}, at least "
            f"one of them left out, such as 1,{form.frames}"
        )
    if len(read.pixels) == len(at):
        return read.pixels
    pixels = read.at_rate(form.rate)
    if at[-1] > len(pixels):
        raise InputError(
            f"--given-at is {','.join(map(str, at))}; {path} has {len(pixels)} frames at "
            f"{form.rate:g} a second. Give a clip of at least {at[-1]}, or of these {len(at)} alone"
        )
    return pixels[np.array(at) - 1]


def _at(path: Path) -> ClipFile:
    """The one clip at a path: a file, or a folder of frames."""
    if path.is_file():
        return ClipFile(path.name, (path,))
    if not path.is_dir():
        raise InputError(f"There is no clip at {path} (looked for {path.absolute()})")
    frames = [one for one in find_clips(path.parent).clips if one.name == path.name]
    if not frames:
        raise InputError(f"{path} is no folder of frames: no image lies in it")
    return frames[0]
