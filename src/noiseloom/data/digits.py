"""The 1,797 handwritten 8x8 digits that come with scikit-learn: real data on any machine, offline.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (its test part).
Pixels count 0 to 16; here value * 255 / 16, rounded.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from noiseloom.config import option
from noiseloom.data.assembly import Assembly, hash_of
from noiseloom.data.augmentation import HELP, check_probability
from noiseloom.data.content import Progress
from noiseloom.data.dataset import ImageDataset
from noiseloom.data.prepared import cache_root, key_of, open_prepared

VERSION = 1  # of the rules above: raised when they change


@dataclass(frozen=True, kw_only=True)
class Config:
    """scikit-learn's handwritten digits, 8x8 grey, ten classes."""

    held_out: float = option(0.2, "share held out as the reference")
    augment: float = option(0.0, HELP)
    cache: str | None = option(None, "folder for prepared arrays; null: $XDG_CACHE_HOME/noiseloom")

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; allowed is more than 0 and less than 1")
        check_probability(self.augment)

    def describe_source(self) -> str:
        """The source in a few words."""
        return "handwritten 8x8 digits bundled with scikit-learn"

    def open(self, progress: Progress | None = None) -> ImageDataset:
        """Prepare the digits, or find them prepared (then scikit-learn is not imported)."""
        package = version("scikit-learn")
        key = key_of(kind="digits", version=VERSION, package=package, held_out=self.held_out)
        prepared = open_prepared(cache_root(self.cache), key, self._build)
        details = prepared.details
        return ImageDataset(
            train=prepared.train,
            reference=prepared.reference,
            class_names=tuple(details["class_names"]),
            fingerprint=prepared.fingerprint,
            cache=prepared.learned,
            augment_probability=self.augment,
            report={
                "source": self.describe_source(),
                "kind": f"scikit-learn {package}",
                "counts": {"used": sum(details["counts"].values()), **details["counts"]},
                "classes": details["classes"],
                "duplicates": details["duplicates"],
                "reference": f"held out by content hash, a share of {self.held_out:g}",
                "item_shape": list(prepared.train.items.shape[1:]),
                "fingerprint": prepared.fingerprint,
                "notes": [],
                "warnings": [],
            },
        )

    def _build(self, folder: Path) -> dict[str, Any]:
        from sklearn.datasets import load_digits  # a second to import, needed once

        digits = load_digits()
        pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        with closing(Assembly(folder, (8, 8, 1), len(pixels))) as assembly:
            for image, label in zip(pixels, digits.target, strict=True):
                assembly.add(image, int(label), hash_of(image.tobytes()))
            return assembly.finish([str(name) for name in digits.target_names], self.held_out)
