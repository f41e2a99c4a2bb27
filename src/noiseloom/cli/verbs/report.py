"""`noiseloom report RUN...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseloom.cli.options import Debug
from noiseloom.errors import InputError


def verb(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[
        Path | None, typer.Option(help="One page of all these runs, such as page.html.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a run's report anew, or show several runs on one page.

    From what lies in their folders: nothing is measured, and the data is not needed.
    """
    from noiseloom.evaluate.report import write_report, write_together

    if out is not None:
        typer.echo(write_together(runs, out))
        return
    if len(runs) > 1:
        raise InputError(
            f"{len(runs)} runs are given and no page for them; add --out, such as --out page.html"
        )
    typer.echo(write_report(runs[0]))
