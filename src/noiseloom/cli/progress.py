"""How far work has come: one bar on a terminal, a plain line now and then elsewhere.

Importing this imports rich and torch; verbs do so inside their functions.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from noiseloom.training.loop import Event, Note, Progress, Saved, Smoothed, Started, Working

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def watch(stream: TextIO | None = None) -> Iterator[Callable[[Event], None]]:
    """Follow long work: gives the consumer of its events. `stream` is standard error if None."""
    with _display(stream or sys.stderr) as display:
        yield _Watcher(display)


class _Watcher:
    """Consumes the events of a training and of other long work."""

    def __init__(self, display: _Display) -> None:
        self.display = display
        self.smoothed = Smoothed()
        self.saved: int | None = None
        self.began: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Started() | Note():
                self.display.note(str(event))
            case Progress():
                loss = self.smoothed.add(event.loss)
                text = describe(event, loss, event.last_save_step or self.saved)
                self.display.show(event.step, event.total_steps, text)
            case Saved():
                self.saved = event.step
            case Working():
                self.display.show(event.done, event.total, self._count(event))

    def _count(self, event: Working) -> str:
        now, done, total = time.monotonic(), event.done, event.total
        seconds = now - self.began.setdefault(event.what, now)
        left = f" · {clock(seconds / done * (total - done))} left" if 0 < done < total else ""
        return f"{event.what} {done:,}/{total:,}{left}"


def describe(event: Progress, loss: float, saved: int | None) -> str:
    """A moment of training in one line; `loss` is the smoothed one."""
    return " · ".join(
        [
            f"step {event.step:,}/{event.total_steps:,}",
            f"loss {loss:.4g}",
            f"rate {event.learning_rate:.2g}",
            f"{event.items_per_second:,.0f} items/s",
            f"{event.memory_bytes / 2**20:,.0f} MiB",
            f"{clock(event.seconds_left)} left",
            "not saved yet" if saved is None else f"saved at {saved:,}",
        ]
    )


def clock(seconds: float) -> str:
    """`1:05`, or `2:03:04` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# Where it is shown -----------------------------------------------------------------------------


class _Lines:
    """A line at the start, at the end and every few seconds between."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.due = 0.0
        self.last = ""

    def note(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()

    def show(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if text != self.last and (now >= self.due or done >= total):
            self.due = now + SECONDS_BETWEEN_LINES
            self.last = text
            self.note(text)


class _Terminal:
    """One bar that is redrawn in place; notes scroll above it."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.task: TaskID | None = None

    def note(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, done: int, total: int, text: str) -> None:
        if self.task is None:
            self.task = self.bar.add_task("", total=total)
        self.bar.update(self.task, completed=done, total=total, description=text)


_Display = _Lines | _Terminal


@contextmanager
def _display(stream: TextIO) -> Iterator[_Display]:
    if not stream.isatty():
        yield _Lines(stream)
        return
    columns = (BarColumn(bar_width=16), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(file=stream), refresh_per_second=4) as bar:
        yield _Terminal(bar)
