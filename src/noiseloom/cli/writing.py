"""What `noiseloom sample` prints of a run that writes: text as it comes, or JSON lines.

Importing this imports torch; the verb does so inside its function.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from noiseloom.cli.output import answer, emit, say
from noiseloom.cli.progress import watch
from noiseloom.errors import InputError
from noiseloom.runs import Run
from noiseloom.runs.prompts import Prompt, read_prompts
from noiseloom.tasks import Draft
from noiseloom.training.checkpoints import disk_errors
from noiseloom.training.loop import Working


def write(
    run: Run,
    *,
    prompt: str | None,
    source: str | None,
    out: str | None,
    as_json: bool,
    num: int,
    **how: Any,
) -> None:
    """Have the run write, for a prompt or a file of them, and print or keep that."""
    if source is None:
        _answer_one(run, prompt or "", out, as_json, num, how)
        return
    if prompt is not None:
        raise InputError("--prompt and --input are both given; a run answers one or the other")
    prompts = read_prompts(Path(source))
    if out is not None and Path(out).resolve() == Path(source).resolve():
        raise InputError(f"--out is the file of --input, {source}; name another")
    _answer_all(run, prompts, out, as_json, num, how)


def _answer_one(
    run: Run, prompt: str, out: str | None, as_json: bool, num: int, how: dict[str, Any]
) -> None:
    is_shown = sys.stdout.isatty() and num == 1 and not as_json and out is None
    with watch() as on_event, _screen(sys.stdout, is_wanted=is_shown) as screen:
        texts = run.write(
            prompt,
            num=num,
            on_draft=screen.show if screen else lambda draft: None,
            on_texts=lambda first, texts: on_event(Working("Writing", first + len(texts), num)),
            on_event=on_event,
            **how,
        )
    document = {"run": str(run.folder), "prompt": prompt, "texts": texts, "seed": how["seed"]}
    if run.recipe.task.answers == "masks":
        document["candidates"] = _candidates(run, prompt, how)
    if out is not None:
        with _lines(out) as file:
            file.writelines(_rows([Prompt(prompt, {"prompt": prompt}, "")], texts, 0, num))
        answer(out, {**document, "out": out}, as_json)
    elif as_json:
        emit(document)
    elif screen is None:
        _print(texts)


def _candidates(run: Run, prompt: str, how: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What may stand behind each mask; said to people, too."""
    weights = {name: how[name] for name in ("raw", "checkpoint", "device")}
    found = run.candidates(prompt, **weights)
    for number, mask in enumerate(found, start=1):
        shares = ", ".join(f"{one.text!r} {one.probability:.1%}" for one in mask)
        say(f"Mask {number}: {shares}")
    return [[asdict(one) for one in mask] for mask in found]


def _print(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts, start=1):
        if len(texts) > 1:
            sys.stdout.write(f"--- {number} of {len(texts)} ---\n")
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def _answer_all(
    run: Run,
    prompts: Sequence[Prompt],
    out: str | None,
    as_json: bool,
    num: int,
    how: dict[str, Any],
) -> None:
    """Each batch is written down when it is done: what is, an interrupt leaves."""
    total, done = num * len(prompts), 0
    where = out or "standard output"
    if out is None and as_json:
        raise InputError("--json prints one document; name a file for the JSON lines with --out")
    with watch() as on_event, _lines(out) as file:

        def keep(first: int, texts: Sequence[str]) -> None:
            nonlocal done
            with disk_errors("Texts", Path(out).parent) if out else nullcontext():
                file.writelines(_rows(prompts, texts, first, num))
                file.flush()
            done = first + len(texts)
            on_event(Working("Writing", done, total))

        try:
            run.write(
                [one.text for one in prompts],
                num=num,
                places=[one.place for one in prompts],
                on_texts=keep,
                on_event=on_event,
                **how,
            )
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(f"Stopped: {done} of {total} texts are in {where}.") from error
    if as_json:
        emit({"run": str(run.folder), "out": out, "prompts": len(prompts), "texts": total})
    elif out is not None:
        answer(out, {}, as_json=False)


def _rows(prompts: Sequence[Prompt], texts: Sequence[str], first: int, num: int) -> Iterator[str]:
    """JSON lines: those of the prompts, each with its output."""
    for number, text in enumerate(texts, start=first):
        place, sample = divmod(number, num)
        row = {**prompts[place].row, "output": text}
        if num > 1:
            row["sample"] = sample
        yield json.dumps(row, ensure_ascii=False) + "\n"


@contextmanager
def _lines(out: str | None) -> Iterator[TextIO]:
    """Where JSON lines go."""
    if out is None:
        yield sys.stdout
        return
    with disk_errors("Texts", Path(out).parent):
        file = open(out, "w", encoding="utf-8")  # noqa: SIM115 (closed below)
    with file:
        yield file


class _Screen:
    """A terminal on which a text grows; one that changes anywhere is drawn anew each time."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = ""
        self.live: Live | None = None

    def show(self, draft: Draft) -> None:
        """Show the one text of a draft."""
        (text,) = draft.texts
        if draft.grows and self.live is None:
            self.stream.write(text[len(self.shown) :])
            self.stream.flush()
            self.shown = text
            return
        if self.live is None:
            self.live = Live(console=Console(file=self.stream), auto_refresh=False)
            self.live.start()
        self.live.update(Text(text), refresh=True)

    def end(self) -> None:
        """Leave the cursor on a line of its own."""
        if self.live is not None:
            self.live.stop()
        elif not self.shown.endswith("\n"):
            self.stream.write("\n")
            self.stream.flush()


@contextmanager
def _screen(stream: TextIO, *, is_wanted: bool) -> Iterator[_Screen | None]:
    if not is_wanted:
        yield None
        return
    screen = _Screen(stream)
    try:
        yield screen
    finally:
        screen.end()
