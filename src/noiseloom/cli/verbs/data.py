"""`noiseloom data check RECIPE`"""

from __future__ import annotations

import typer

from noiseloom.cli.options import AsJson, Debug, Overrides, RecipeName
from noiseloom.cli.output import answer

verb = typer.Typer(help="Look at data before training on it.")


@verb.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@verb.command()
def check(
    recipe: RecipeName,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read all of a recipe's data and say what is wrong.

    Counts items and classes, and names each file that cannot be used, with the reason.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.data.check import check as check_data
    from noiseloom.runs import Recipe
    from noiseloom.training.loop import Working

    data = Recipe.load(recipe, overrides or []).data
    with watch() as on_event:
        report = check_data(data, lambda what, done, total: on_event(Working(what, done, total)))
    answer(str(report), report, as_json)
