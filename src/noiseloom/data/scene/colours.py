"""The colours of objects and of the ground, as levels of red, green and blue.

Seen from the ground each colour lies in a direction of its own, so that also a pixel which an
object covers in part says which colour covers it, and how much.
"""

from __future__ import annotations

import numpy as np

GROUND = np.array([22, 24, 34], dtype=np.float32)
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (226, 48, 52),
    "green": (52, 168, 83),
    "blue": (48, 100, 240),
    "yellow": (250, 214, 40),
    "purple": (168, 72, 214),
    "white": (244, 244, 244),
    "orange": (245, 130, 28),
    "cyan": (56, 204, 220),
}
