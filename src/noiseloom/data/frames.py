"""The frames of clips, each an image of its own: what a model of images learns for one of clips.

Nothing is copied: the images are a view of the clips' arrays, the frames of a clip one after the
other, and all of them on the side on which their clip stands. A caption tells of a whole clip, and
is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from noiseloom.config import option, word_of
from noiseloom.data.content import Progress
from noiseloom.data.dataset import ImageDataset, Split, VideoDataset
from noiseloom.data.prepared import key_of
from noiseloom.errors import InputError

VERSION = 1  # of the rules above: raised when they change


@dataclass(frozen=True, kw_only=True)
class Config:
    """The single frames of clips, as images."""

    of: Any = option(help="data that holds clips: moving-digits or video", menu="noiseloom.data")

    def describe_source(self) -> str:
        """The source in a few words."""
        return f"single frames of {self.of.describe_source()}"

    def open(self, progress: Progress | None = None) -> ImageDataset:
        """Prepare the clips, or find them prepared.

        Raises InputError where they are none, and what opening them raises.
        """
        clips = self.of.open(progress)
        if not isinstance(clips, VideoDataset):
            raise InputError(
                f"data.of is {word_of(self, 'of')}, which holds no clips, and so no frames of any; "
                "use moving-digits or video, or that data as it is"
            )
        train, reference = _frames(clips.train), _frames(clips.reference)
        fingerprint = key_of(kind="frames", version=VERSION, clips=clips.fingerprint)
        counts = {"train": len(train), "reference": len(reference)}
        return ImageDataset(
            train=train,
            reference=reference,
            class_names=clips.class_names,
            fingerprint=fingerprint,
            cache=clips.cache / "frames",
            report={
                **clips.report,
                "source": self.describe_source(),
                "kind": f"frames of {clips.report['kind']}",
                "counts": {**clips.report["counts"], "used": sum(counts.values()), **counts},
                "reference": f"the frames of clips {clips.report['reference']}",
                "item_shape": list(train.items.shape[1:]),
                "fingerprint": fingerprint,
            },
        )


def _frames(clips: Split) -> Split:
    """Every frame (N x T, H, W, C), with the label of its clip where there is one."""
    number, length = clips.items.shape[:2]
    items = clips.items.reshape(number * length, *clips.items.shape[2:])
    return Split(items, None if clips.labels is None else np.repeat(clips.labels, length))
