"""`noiseloom recipes [NAME]` and `noiseloom recipes suggest PATH`"""

from __future__ import annotations

from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Debug
from noiseloom.cli.output import answer

_FILL_IN = "FOLDER"  # stands for what a shipped recipe cannot know: where your data lies


def verb(
    name: Annotated[
        str | None, typer.Argument(help="A recipe to print whole, or the word suggest.")
    ] = None,
    path: Annotated[
        str | None, typer.Argument(help="After suggest: a folder or a file of your data.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="After suggest: how long training may take.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the recipes, print one, or suggest one.

    noiseloom recipes                  the list

    noiseloom recipes mnist            every key of mnist, as a file to copy and change

    noiseloom recipes suggest PATH     the command to train on PATH, its time and memory

    PATH holds images, a text, a table, two languages line by line, questions or series.
    """
    if name is None:
        _list(as_json)
    elif name == "suggest":
        _suggest(path, minutes, as_json)
    elif path is not None:
        raise typer.BadParameter(f"'{path}' follows a recipe's name; only suggest takes a path.")
    else:
        _print(name, as_json)


def _list(as_json: bool) -> None:
    from noiseloom.runs import shipped_recipes

    recipes = shipped_recipes()
    parts = ["\n".join([name, *(f"    {line}" for line in head)]) for name, head in recipes]
    document = {"recipes": [{"name": name, "about": head} for name, head in recipes]}
    answer("\n\n".join(parts), document, as_json)


def _print(name: str, as_json: bool) -> None:
    from noiseloom.config import ConfigError, to_mapping, write_commented
    from noiseloom.runs import Recipe, shipped_recipes

    try:
        recipe = Recipe.load(name)
    except ConfigError as error:
        missing = [problem.key for problem in error.problems if "is missing" in problem.fault]
        if len(missing) < len(error.problems):
            raise
        recipe = Recipe.load(name, [f"{key}={_FILL_IN}" for key in missing])
    head = "".join(f"# {line}\n" for line in dict(shipped_recipes()).get(name, []))
    answer(f"{head}{write_commented(recipe)}".rstrip(), to_mapping(recipe), as_json)


def _suggest(path: str | None, minutes: float | None, as_json: bool) -> None:
    if path is None:
        raise typer.BadParameter("suggest needs a path: noiseloom recipes suggest PATH.")
    from dataclasses import asdict

    from noiseloom.runs.suggesting import suggest

    suggestion = suggest(path, minutes)
    answer(str(suggestion), asdict(suggestion), as_json)
