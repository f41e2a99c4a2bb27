"""What looking took in memory."""

from __future__ import annotations

import resource
import sys


def peak_above(before: int) -> int:
    """MiB by which this process has at most grown beyond `before` bytes; an upper bound.

    It is the highest there ever was, also before; 0 where that is not above.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max(0, peak - before) // 2**20
