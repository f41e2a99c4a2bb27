"""What a part of a view found, before it is one explanation with the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from noiseloom.explain.explanation import Section


@dataclass(frozen=True)
class Found:
    """As in `Explanation`; `protocol` is added to that of the subject."""

    lead: str
    sections: Sequence[Section]
    figures: Mapping[str, Any]
    protocol: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    axes: Mapping[str, str] = field(default_factory=dict)
