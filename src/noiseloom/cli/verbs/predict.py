"""`noiseloom predict RUN ITEM...`"""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from noiseloom.cli.options import AsJson, Checkpoint, Debug, Device, Raw, RunFolder
from noiseloom.cli.output import answer, say
from noiseloom.errors import InputError

SHOWN = 60  # characters of a text beside its answer


def verb(
    run: RunFolder,
    items: Annotated[
        list[str] | None, typer.Argument(metavar="[ITEM]...", help="Image files, or texts.")
    ] = None,
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FIRST SECOND", help="Two texts, for a run that reads pairs."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="Items from a table, or one from each line of a file."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the answers here, as JSON lines."),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="A text, or a text file, that answers --question."),
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What is asked of --context; may be given again."),
    ] = None,
    raw: Raw = False,
    checkpoint: Checkpoint = None,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what a run reads in each item: its class, and how sure the run is, or a number.

    An item is an image file or, of a run that reads text, a text (two of them: --pair). --input
    takes many: a table with the run's columns (.csv, .tsv, .jsonl, .parquet), or a file with an
    item in each line. Of a run that answers questions, --context and --question say what is asked;
    the part of the context that answers it is shown. --json and --out hold the probability of every
    class.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.evaluate.facts import kind_of_items
    from noiseloom.runs import Run
    from noiseloom.runs.asked import read_file

    opened = Run.open(run)
    asked: list[str | tuple[str, ...]] = [*(items or ()), *([pair] if pair else ())]
    named = [*asked, *(question or ())]
    if context is not None or question:
        asked += questions_on(context, question)
    if bool(asked) == (source is not None):
        raise InputError(
            f"{'Both items and --input are' if asked else 'Nothing is'} given to {run}; give it "
            "either items or --input FILE"
        )
    if source is not None:
        named = asked = read_file(opened.form, source)
    with watch() as on_event:
        found = opened.predict(
            asked, raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
        )
    noun = "file" if kind_of_items(opened.read_json("data_report.json")) == "images" else "input"
    records = [{noun: one, **read} for one, read in zip(asked, found.records, strict=True)]
    if out is not None:
        write_lines(Path(out), records)
        say(f"{len(records):,} answers are in {out}")
    shown = [str(one) if noun == "file" else _short(one) for one in named]
    width = max(map(len, shown))
    lines = [f"{one:<{width}}  {words}" for one, words in zip(shown, found.words, strict=True)]
    document = {"run": run, "predictions": records}
    if as_json or out is None:
        answer("\n".join(lines), document, as_json)


def questions_on(context: str | None, questions: Sequence[str] | None) -> list[tuple[str, ...]]:
    """Each question with its context: the text itself, or that of the file which it names."""
    if context is None or not questions:
        missing = "--context" if context is None else "--question"
        raise InputError(f"{missing} is missing: a question is asked of a context. Give both")
    try:
        if Path(context).is_file():
            context = Path(context).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = Path(context).read_bytes().count(b"\n", 0, error.start) + 1
        raise InputError(f"{context}:{line}: this is not valid UTF-8. Save it as UTF-8") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # then it is a text
            raise InputError(f"{context} cannot be read: {error}") from error
    return [(context, question) for question in questions]


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """A JSON object a line, in one instant."""
    from noiseloom.training.checkpoints import disk_errors, write_text

    with disk_errors("The answers", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))


def _short(asked: str | tuple[str, ...]) -> str:
    """An item in a line of the answer."""
    text = " ".join((asked if isinstance(asked, str) else " | ".join(asked)).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
