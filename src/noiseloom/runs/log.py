"""log.txt: what was said while a run was made, each line with its time (UTC)."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from noiseloom.runs.run import OnEvent
from noiseloom.training.checkpoints import disk_errors
from noiseloom.training.loop import Event, Note, Saved, Started


@contextmanager
def logged(folder: Path, on_event: OnEvent) -> Iterator[OnEvent]:
    """A consumer that writes what a person is told into `folder`/log.txt, then passes it on.

    An error that ends the work is written too. Raises MachineError where the file cannot be.
    """

    def write(text: str) -> None:
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
        with disk_errors("log.txt", folder, f"Go on with: noiseloom resume {folder}"):
            file.write(f"{now} {text}\n")
            file.flush()

    def consume(event: Event) -> None:
        if isinstance(event, Started | Saved | Note):
            write(str(event))
        on_event(event)

    with (folder / "log.txt").open("a", encoding="utf-8") as file:
        try:
            yield consume
        except BaseException as error:
            with suppress(Exception):  # the error matters more than its line
                write(f"Stopped: {str(error) or type(error).__name__}")
            raise
        write("Done.")
