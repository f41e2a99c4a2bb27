"""Files that were not used, counted by reason, the first of them listed."""

from __future__ import annotations

from collections import Counter
from typing import Any

LISTED = 100  # files named in a report; the counts go on


class Skipped:
    """Bad files: a count for each reason, and the first `LISTED` by name."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.files: list[dict[str, str]] = []

    def __len__(self) -> int:
        return self.reasons.total()

    def add(self, name: str, reason: str, detail: str = "") -> None:
        """Count one file; `reason` is one of a few words, `detail` says what is special to it."""
        self.reasons[reason] += 1
        if len(self.files) < LISTED:
            whole = f"{reason}: {detail}" if detail else reason
            self.files.append({"file": printable(name), "reason": printable(whole)})

    def take(self, other: Skipped) -> None:
        """Count what another has counted, too."""
        self.reasons += other.reasons
        self.files = (self.files + other.files)[:LISTED]

    def merged(self, other: dict[str, Any]) -> dict[str, Any]:
        """As a report says it, together with what another `merged` had said."""
        reasons = self.reasons + Counter(other.get("reasons", {}))
        return {
            "count": reasons.total(),
            "reasons": dict(reasons.most_common()),
            "files": (self.files + other.get("files", []))[:LISTED],
        }


def printable(text: str) -> str:
    """Text with whatever is not valid Unicode (a file's name can hold it) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def in_words(skipped: dict[str, Any]) -> str:
    """`12 cut short or damaged, 1 empty`, most frequent first."""
    return ", ".join(f"{count:,} {reason}" for reason, count in skipped["reasons"].items())
