"""Exact answers, asked of the program on this machine: `noiseloom doctor --math`.

A check measures one number whose right value is known in closed form, and says how far it may be
off. Each file holds the checks of one subject, in a literal `CHECKS`; docs/correctness.md lists
them beside the tests that are too long for this.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

SUBJECTS = (
    "process",
    "sampling",
    "guidance",
    "likelihood",
    "masking",
    "transformer",
    "training",
    "evaluation",
)


@dataclass(frozen=True)
class Check:
    """`measure()` must be within `tolerance` of `expected`; `about` says what is measured."""

    name: str
    about: str
    expected: float
    tolerance: float
    measure: Callable[[], float]


@dataclass(frozen=True)
class Finding:
    """What a check came to; `seconds` is how long it took."""

    check: str
    about: str
    expected: float
    measured: float
    tolerance: float
    ok: bool
    seconds: float

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as `--json` prints them."""
        return asdict(self)


def checks() -> Iterator[Check]:
    """All checks, subject by subject."""
    for subject in SUBJECTS:
        yield from import_module(f"{__name__}.{subject}").CHECKS


def carry_out(check: Check) -> Finding:
    """Measure; a number that is not finite fails, an error is an error."""
    began = time.perf_counter()
    measured = float(check.measure())
    return Finding(
        check=check.name,
        about=check.about,
        expected=check.expected,
        measured=measured,
        tolerance=check.tolerance,
        ok=math.isfinite(measured) and abs(measured - check.expected) <= check.tolerance,
        seconds=round(time.perf_counter() - began, 3),
    )


def in_words(findings: Sequence[Finding]) -> str:
    """The findings as a table, and how many hold."""
    rows = [
        (
            "ok" if one.ok else "FAILED",
            one.check,
            f"{one.expected:.6g}",
            f"{one.measured:.6g}",
            f"{one.tolerance:.2g}",
            one.about,
        )
        for one in findings
    ]
    head = ("", "check", "expected", "measured", "± allowed", "what is measured")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:>{width}}" if place in (2, 3, 4) else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    failed = sum(not one.ok for one in findings)
    seconds = sum(one.seconds for one in findings)
    end = f"{len(findings) - failed} of {len(findings)} checks hold ({seconds:.0f} s)."
    return "\n".join([*lines, "", end])
