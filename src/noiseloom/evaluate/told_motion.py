"""Whether clips show what their captions tell: the digit, its direction and its speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noiseloom.data.motion_captions import Said, direction_of, is_fast
from noiseloom.evaluate.digit_reading import DigitReader, majority
from noiseloom.evaluate.digit_tracking import centres

LOOKED_AT = 2  # frames after the first, in which no wall is met


def followed(clips: np.ndarray, said: Sequence[Said], reader: DigitReader) -> dict[str, np.ndarray]:
    """Whether each clip follows its caption, (N,) each.

    The digit is what most frames show; direction and speed are those of the centre of the ink from
    the first frame to the third. `digit_and_direction_accuracy` is both of
    them.
    """
    read = majority(reader.read(clips))
    found = centres(clips)
    velocity = (found[:, LOOKED_AT] - found[:, 0]) / LOOKED_AT
    is_seen = ~np.isnan(velocity).any(axis=1)
    velocity = np.nan_to_num(velocity)
    digit = read == np.array([one.digit for one in said])
    way = is_seen & (direction_of(velocity) == np.array([one.direction for one in said]))
    fast = is_fast(np.linalg.norm(velocity, axis=1)) == np.array([one.is_fast for one in said])
    return {
        "digit_accuracy": digit,
        "direction_accuracy": way,
        "speed_accuracy": is_seen & fast,
        "digit_and_direction_accuracy": digit & way,
    }
