"""What clips of one bouncing digit must show, figure by figure: where it is, which, how many.

Each figure is a number for each clip, so that a mean of them has an interval. Clips are uint8
(N, T, H, W, 1); `frames` are the numbers of those that were made, the others having been given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noiseloom.data.bouncing import FRAME
from noiseloom.data.dataset import ClipTruth
from noiseloom.evaluate.digit_reading import DigitReader, majority
from noiseloom.evaluate.digit_tracking import counts, track

MISSED = float(np.hypot(FRAME, FRAME))  # pixels that a digit which is nowhere is taken to be off


def against_truth(
    clips: np.ndarray, truth: ClipTruth, reader: DigitReader, frames: Sequence[int]
) -> dict[str, np.ndarray]:
    """Of clips that go on with given frames, what came beside what had to come, (N,) each.

    `trajectory_error_px` is the distance from where the law has the digit to where it is found, as
    a mean over frames; `identity_accuracy` and `count_accuracy` are shares of frames.
    """
    made, num = clips[:, list(frames)], len(clips)
    right = truth.motion.taken(slice(num)).positions(np.array(frames))
    off = np.linalg.norm(track(made, truth.glyphs[:num]) - right, axis=-1)
    read = reader.read(made)
    return {
        "trajectory_error_px": np.nan_to_num(off, nan=MISSED).mean(axis=1),
        "identity_accuracy": (read == np.asarray(truth.digits[:num])[:, None]).mean(axis=1),
        "count_accuracy": (counts(made) == 1).mean(axis=1),
    }


def by_themselves(clips: np.ndarray, reader: DigitReader) -> dict[str, np.ndarray]:
    """Of clips made from nothing: the digit is the same all the time, and one, (N,) each."""
    read = reader.read(clips)
    kept = majority(read)
    return {
        "identity_accuracy": ((read == kept[:, None]) & (read >= 0)).mean(axis=1),
        "count_accuracy": (counts(clips) == 1).mean(axis=1),
    }


def error_by_frame(clips: np.ndarray, truth: ClipTruth, frames: Sequence[int]) -> list[float]:
    """The mean distance from the law in each of `frames`, pixels."""
    num = len(clips)
    right = truth.motion.taken(slice(num)).positions(np.array(frames))
    off = np.linalg.norm(track(clips[:, list(frames)], truth.glyphs[:num]) - right, axis=-1)
    return [float(one) for one in np.nan_to_num(off, nan=MISSED).mean(axis=0)]


def copied_last(clips: np.ndarray, given: Sequence[int]) -> np.ndarray:
    """The clips as who copies the last given frame would go on with them."""
    copied = np.array(clips)
    for frame in range(clips.shape[1]):
        if frame not in given:
            before = [one for one in given if one < frame] or [min(given)]
            copied[:, frame] = clips[:, max(before)]
    return copied
