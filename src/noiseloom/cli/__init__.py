"""The command `noiseloom`: one file a verb in `verbs/`, and how each of them ends.

A verb file holds `verb`, a function or a `typer.Typer` of sub-verbs; the file's name is the word on
the command line. Importing any of them costs no torch: heavy imports are inside the functions, so
that `noiseloom --help` answers at once. Results go to standard output, where `--json` makes them
one JSON document; progress and troubles go to standard error.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules
from types import FrameType
from typing import Annotated

import typer

import noiseloom
from noiseloom.cli import verbs
from noiseloom.cli.failures import explain
from noiseloom.cli.output import close_output, emit, process, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the answer is its exit code (see `failures`)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(build_app())
    try:
        with _stopped_by_sigterm(), command.make_context("noiseloom", words) as context:
            command.invoke(context)
        return 0
    except typer.Exit as ending:
        return ending.exit_code
    except BrokenPipeError:  # whoever read our output has gone, as `| head` does
        close_output()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        failure = explain(error)
        if "--debug" in words:
            traceback.print_exception(error)
        if process() and not getattr(error, "said_by_first", False):
            typer.echo(f"[process {process()}] {failure.sentence}", err=True)
        say(failure.sentence)
        if "--json" in words:
            emit({"error": failure.as_mapping()})
        return failure.exit_code


def build_app() -> typer.Typer:
    """The command with every verb in `verbs/`."""
    app = typer.Typer(
        help="Train, sample, measure and understand diffusion models on your own data.",
        epilog="Start with: noiseloom train digits",
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_noiseloom)
    for module in iter_modules(verbs.__path__):
        verb = import_module(f"{verbs.__name__}.{module.name}").verb
        word = module.name.replace("_", "-")
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=word)
        else:
            app.command(word)(verb)
    return app


def _noiseloom(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
) -> None:
    if version:
        typer.echo(noiseloom.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends work as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt("Stopped by SIGTERM")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
