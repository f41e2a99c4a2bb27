"""`noiseloom predict RUN IMAGE...`, or `noiseloom predict RUN --context TEXT --question TEXT`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseloom.cli.options import AsJson, Checkpoint, Debug, Device, Raw, RunFolder
from noiseloom.cli.output import answer
from noiseloom.errors import InputError

if TYPE_CHECKING:
    from noiseloom.runs.answering import Found

AROUND = 40  # characters shown of the context on either side of an answer


def verb(
    run: RunFolder,
    images: Annotated[
        list[str] | None, typer.Argument(metavar="IMAGE...", help="Image files.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="A text file, or a text, that holds answers.")
    ] = None,
    questions: Annotated[
        list[str] | None, typer.Option("--question", help="What is asked of it; may be repeated.")
    ] = None,
    raw: Raw = False,
    checkpoint: Checkpoint = None,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say which class each image is in, or which part of a text answers a question; how surely.

    --json prints the probability of every class, and where in the text each answer stands.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.runs import Run

    opened = Run.open(run)
    if context is not None or questions:
        text = _context(context, questions, images)
        asked = [(text, question) for question in questions or ()]
        with watch() as on_event:
            answers = opened.answer(
                asked, raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
            )
        document = [
            {"question": question, **vars(found)}
            for (_, question), found in zip(asked, answers, strict=True)
        ]
        answer(_in_words(text, answers), {"run": run, "answers": document}, as_json)
        return
    images = images or []
    with watch() as on_event:
        found = opened.predict(
            images, raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
        )
    width = max(map(len, images))
    lines = [
        f"{image:<{width}}  {name} ({confidence:.1%})"
        for image, name, confidence in zip(images, found.names, found.confidence, strict=True)
    ]
    rows = zip(images, found.names, found.probabilities.tolist(), strict=True)
    document = [
        {
            "file": image,
            "class": name,
            "probabilities": dict(zip(found.class_names, row, strict=True)),
        }
        for image, name, row in rows
    ]
    answer("\n".join(lines), {"run": run, "predictions": document}, as_json)


def _context(
    context: str | None, questions: Sequence[str] | None, images: Sequence[str] | None
) -> str:
    """The text that is asked about: that of the file, where `context` names one."""
    if images:
        raise InputError(
            "Images are given beside --context and --question: a run reads one or the other"
        )
    if context is None or not questions:
        missing = "--context" if context is None else "--question"
        raise InputError(f"{missing} is missing: a question is asked of a text")
    try:
        is_file = Path(context).is_file()
    except (OSError, ValueError):  # too long for a name, as a text may be
        is_file = False
    if not is_file:
        return context
    try:
        return Path(context).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = Path(context).read_bytes().count(b"\n", 0, error.start) + 1
        raise InputError(f"{context}:{line}: this is not valid UTF-8. Save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{context} cannot be read: {error}") from error


def _in_words(text: str, answers: Sequence[Found]) -> str:
    """Each answer on a line, how sure it is, and where it stands."""
    lines = []
    for found in answers:
        before = text[max(0, found.first - AROUND) : found.first]
        after = text[found.after : found.after + AROUND]
        around = " ".join(f"…{before}[{found.text}]{after}…".split())
        lines.append(
            f"{found.text} ({found.probability:.1%})\n"
            f"  characters {found.first:,} to {found.after:,}: {around}"
        )
    return "\n".join(lines)
