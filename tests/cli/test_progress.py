"""Progress: a line now and then without a terminal, one bar with one."""

from __future__ import annotations

import io

import pytest

from noiseloom.cli import progress
from noiseloom.cli.progress import clock, watch
from noiseloom.training.loop import Note, Progress, Saved, Started, Working


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def moment(step: int, loss: float = 0.5) -> Progress:
    return Progress(
        step=step,
        total_steps=100,
        loss=loss,
        learning_rate=1e-3,
        gradient_norm=1.0,
        items_per_second=1234.4,
        seconds_left=65.2,
        memory_bytes=512 * 2**20,
    )


def test_plain_lines_say_everything_and_are_few() -> None:
    stream = io.StringIO()
    with watch(stream) as on_event:
        on_event(Started(0, 100, 12345, "float32"))
        on_event(moment(1))
        on_event(Saved(40, "checkpoints/step-40"))
        for step in range(2, 100):
            on_event(moment(step))
        on_event(Note("A note."))
        on_event(moment(100))
    assert stream.getvalue().splitlines() == [
        "12,345 parameters, float32; steps 0 to 100",
        "step 1/100 · loss 0.5 · rate 0.001 · 1,234 items/s · 512 MiB · 1:05 left · not saved yet",
        "A note.",
        "step 100/100 · loss 0.5 · rate 0.001 · 1,234 items/s · 512 MiB · 1:05 left · saved at 40",
    ]


def test_plain_lines_come_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, now = io.StringIO(), 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with watch(stream) as on_event:
        for done in range(1, 31):
            now += 1.0
            on_event(Working("Sampling", done, 30))
    assert stream.getvalue().splitlines() == [
        "Sampling 1/30 · 0:00 left",
        "Sampling 11/30 · 0:17 left",
        "Sampling 21/30 · 0:09 left",
        "Sampling 30/30",
    ]


def test_a_terminal_gets_a_bar_and_notes_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    stream = Terminal()
    with watch(stream) as on_event:
        on_event(Note("[a] note"))
        on_event(moment(100))
    shown = stream.getvalue()
    assert "[a] note" in shown
    assert "step 100/100" in shown
    assert "━" in shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (65, "1:05"), (7384, "2:03:04")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
