"""`noiseloom doctor`"""

from __future__ import annotations

from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Debug
from noiseloom.cli.output import answer, emit


def verb(
    math: Annotated[
        bool,
        typer.Option(
            "--math", help="Check the mathematics on this machine, against exact answers."
        ),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what this machine can do and what it lacks.

    With --math, instead: samplers, likelihoods, schedules and distances against what they must be;
    takes about ten seconds, and ends with exit code 1 if one is wrong.
    """
    if math:
        _check_mathematics(as_json)
        return
    from noiseloom.cli.machine import examine, in_words

    machine = examine()
    answer(in_words(machine), machine, as_json)


def _check_mathematics(as_json: bool) -> None:
    from noiseloom.cli.progress import watch
    from noiseloom.proofs import carry_out, checks, in_words
    from noiseloom.training.loop import Working

    asked = list(checks())
    findings = []
    with watch() as on_event:
        for done, check in enumerate(asked):
            on_event(Working("Checking", done, len(asked)))
            findings.append(carry_out(check))
        on_event(Working("Checking", len(asked), len(asked)))
    if as_json:
        emit([finding.to_mapping() for finding in findings])
    else:
        typer.echo(in_words(findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
