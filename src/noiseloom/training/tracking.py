"""metrics.jsonl: one line of figures every few steps, cut back to the checkpoint on a resume."""

import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from noiseloom.training.checkpoints import disk_errors, write_text
from noiseloom.training.loop import Progress


class Metrics:
    """Appends to `path`; on opening, lines after `step` are dropped, and half-written ones.

    `silent` only keeps the time: of several processes the first writes.
    """

    def __init__(self, path: Path, *, step: int, every: int, silent: bool = False) -> None:
        self.path, self.every, self.silent = path, every, silent
        kept = read_metrics(path, up_to=step)
        if path.exists() and not silent:
            write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self.kept = kept
        self.seconds_before = kept[-1]["seconds"] if kept else 0.0
        self.losses: list[float] = []

    @property
    def seconds(self) -> float:
        """Training time so far, earlier sittings included."""
        return self.seconds_before + time.perf_counter() - self.began

    def __enter__(self) -> Self:
        self.began = time.perf_counter()
        self.file = Path(os.devnull if self.silent else self.path).open("a", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def add(self, progress: Progress) -> None:
        """Take in a step; a line is written when `every` steps are together, or at the end."""
        self.losses.append(progress.loss)
        if progress.step % self.every and progress.step != progress.total_steps:
            return
        line = {
            "step": progress.step,
            "loss": sum(self.losses) / len(self.losses),
            "learning_rate": progress.learning_rate,
            "gradient_norm": progress.gradient_norm,
            "items_per_second": progress.items_per_second,
            "memory_bytes": progress.memory_bytes,
            "seconds": self.seconds,
        }
        self.losses.clear()
        self._write(line)

    def add_held_out(self, step: int, loss: float) -> None:
        """A line for the held-out loss of the averaged weights."""
        line = {"step": step, "held_out_loss": loss, "seconds": self.seconds}
        self._write(line)

    def restore_held_out(self, step: int, loss: float) -> None:
        """That line, unless it was there on opening."""
        if not any(line["step"] == step and "held_out_loss" in line for line in self.kept):
            self.add_held_out(step, loss)

    def _write(self, line: dict[str, float]) -> None:
        with disk_errors(
            "A line of metrics.jsonl",
            self.path.parent,
            f"Go on with: noiseloom resume {self.path.parent}",
        ):
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()


def read_metrics(path: Path, up_to: int | None = None) -> list[dict[str, float]]:
    """The lines of a metrics file, those after step `up_to` and a torn last one left out."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if up_to is None or line["step"] <= up_to:
            lines.append(line)
    return lines
