"""Frames that a run of clips is given to go on with: from a file or a folder of frames."""

from pathlib import Path

import numpy as np

from noiseloom.data.clip_files import ClipFile, find_clips, read_clip
from noiseloom.data.decode import BadImageError, quiet
from noiseloom.data.forms import Form, VideoForm
from noiseloom.errors import InputError
from noiseloom.tasks import Known


def read_given(form: Form, path: str | Path, frames: int | None, num: int) -> Known:
    """The first `frames` of the clip at `path`, for each of `num` samples.

    None: as many as there are, but at least one is left to be made. They are brought to the size
    and, where the file says its own, to the rate of the run's clips. Raises InputError.
    """
    if not isinstance(form, VideoForm):
        raise InputError("--given names a clip to go on with, and this run makes no clips")
    clip = _at(Path(path).expanduser())
    channels, length, height, _ = form.item_shape
    try:
        with quiet():
            pixels = read_clip(clip, height, channels).at_rate(form.rate)
    except BadImageError as error:
        raise InputError(f"{path} cannot be used: {error}") from error
    given = min(len(pixels), length - 1) if frames is None else frames
    if not 1 <= given <= min(len(pixels), length - 1):
        raise InputError(
            f"--given-frames is {given}; {path} has {len(pixels)} frames at {form.rate:g} a second "
            f"and the run makes clips of {length}. Allowed is 1 to {min(len(pixels), length - 1)}"
        )
    item = np.zeros((length, *pixels.shape[1:]), np.uint8)
    item[:given] = pixels[:given]
    return Known.of(form.to_model(np.repeat(item[None], num, axis=0)), range(given))


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
