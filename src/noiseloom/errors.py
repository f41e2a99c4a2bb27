"""What can go wrong, sorted by whose turn it is to act.

Every message is whole sentences: what was given, what is allowed, what to do. The command turns
each class into an exit code (`noiseloom.cli`): 2 the input, 3 the data, 4 the machine; any other
exception is a bug of ours and exits with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class InputError(ValueError):
    """What the user asked for cannot be done: a recipe, an option or a path is wrong."""


class DataError(ValueError):
    """The data cannot be trained on: unreadable, empty, mislabelled, not finite."""


class MachineError(RuntimeError):
    """The machine failed us: disk, memory, permissions, numbers that stopped being finite."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in a recipe, and the way out of it.

    `line` counts from 1; it is None where the source has no lines (the command line, Python).
    `key` is dotted from the top of the recipe. `fault` is the sentence without its full stop.
    """

    file: str
    line: int | None
    key: str
    fault: str
    given: object = None
    allowed: str = ""
    nearest: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        allowed = f" Allowed: {self.allowed}." if self.allowed else ""
        nearest = f" Did you mean '{self.nearest}'?" if self.nearest else ""
        return f"{where}: {self.fault.rstrip('.')}.{allowed}{nearest}"


class ConfigError(InputError):
    """Everything wrong with one recipe at once: `problems`, printed one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.problems,)  # it may be sent to another process


def is_out_of_memory(error: BaseException) -> bool:
    """Python's own, CUDA's, or the one that torch's CPU allocator raises as a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
