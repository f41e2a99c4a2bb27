"""`noiseloom distill RUN [KEY=VALUE]...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Debug, Evaluate, Overrides, RunFolder
from noiseloom.cli.output import answer


def verb(
    run: RunFolder,
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The student's folder; runs/RECIPE-few-steps-N if not given."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Time to train the student; 10, or training.steps=N, if not given."),
    ] = None,
    evaluate: Evaluate = True,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="RUN is distilled: measure its steps and its teacher's only."),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Teach a run to draw in 1, 2 or 4 network calls.

    The student is a run of its own. At the end its figures against passes through the network, and
    the teacher's, go into distillation.json and report.html.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.cli.training import in_words, trained
    from noiseloom.errors import InputError
    from noiseloom.runs import Run
    from noiseloom.tuning.distilling import curve_in_words, measure_curve, student_recipe

    opened = Run.open(run)
    if curve:
        given = {
            "KEY=VALUE": overrides,
            "--out": out,
            "--minutes": minutes,
            "--no-evaluate": not evaluate,
        }
        if unused := [name for name, value in given.items() if value]:
            raise InputError(f"--curve trains nothing: leave out {', '.join(unused)}")
        with watch() as on_event:
            measured = measure_curve(opened, on_event=on_event)
        answer(curve_in_words(measured, opened.folder), measured, as_json)
        return
    changes = list(overrides or [])
    if minutes is not None:
        if not minutes > 0:
            raise InputError(f"--minutes is {minutes:g}; allowed is a number above 0")
        changes.append(f"training.max_minutes={minutes}")
    student = Run.create(student_recipe(opened, changes), out)
    summary = trained(student, evaluate=evaluate)
    text = [in_words(student, summary)]
    if evaluate:
        with watch() as on_event:
            summary["distillation"] = measure_curve(student, on_event=on_event)
        text.append(curve_in_words(summary["distillation"], student.folder))
    answer("\n\n".join(text), summary, as_json)
