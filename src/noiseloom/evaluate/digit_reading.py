"""Which digit a frame of a clip shows: a support vector machine learned from training clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.svm import SVC

from noiseloom.evaluate.digit_tracking import cells_of, centres

LEARNED = 3_000  # frames that it learns from


class DigitReader:
    """Reads digits off frames that are cut out round the centre of their ink."""

    def __init__(self, clips: np.ndarray, digits: np.ndarray) -> None:
        """Learn from a frame of each of clips (N, T, H, W, 1) that show `digits` (N,)."""
        clips, digits = clips[:LEARNED], np.asarray(digits[:LEARNED])
        turns = np.arange(len(clips)) % clips.shape[1]
        frames = clips[np.arange(len(clips)), turns][:, None]
        self.machine = SVC(C=10.0).fit(_features(frames), digits)

    def read(self, clips: np.ndarray) -> np.ndarray:
        """The digit in each frame, (N, T); -1 where there is none to be seen."""
        is_empty = np.isnan(centres(clips)).any(axis=-1)
        read = self.machine.predict(_features(clips)).reshape(clips.shape[:2])
        return np.where(is_empty, -1, read)


def _features(clips: np.ndarray) -> np.ndarray:
    cells = cells_of(clips, centres(clips))
    return cells.reshape(clips.shape[0] * clips.shape[1], -1)


def majority(read: np.ndarray, classes: Sequence[int] = range(10)) -> np.ndarray:
    """The digit that most frames of a clip show, (N,); -1 where none shows any."""
    votes = np.stack([(read == one).sum(axis=1) for one in classes], axis=1)
    return np.where(votes.max(axis=1) > 0, np.array(classes)[votes.argmax(axis=1)], -1)
