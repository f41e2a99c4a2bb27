"""`noiseloom train RECIPE [KEY=VALUE]...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Debug, Evaluate, Overrides, RecipeName


def verb(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; runs/RECIPE-N if not given.")
    ] = None,
    evaluate: Evaluate = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train a recipe into a new run, then measure it.

    Ctrl-C saves a checkpoint and stops; resume goes on from there.
    """
    from noiseloom.cli.training import train_and_report
    from noiseloom.runs import Recipe, Run

    run = Run.create(Recipe.load(recipe, overrides or []), out)
    train_and_report(run, evaluate=evaluate, as_json=as_json)
