"""`noiseloom explain RUN WHAT [INPUT...] [KEY=VALUE...]`"""

from __future__ import annotations

import re
from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Checkpoint, Debug, Device, Raw, RunFolder, Seed
from noiseloom.cli.output import answer

OPTION = re.compile(r"[a-z_][a-z_.0-9]*=")


def verb(
    run: RunFolder,
    what: Annotated[
        str | None, typer.Argument(metavar="[WHAT]", help="A view; none: those that fit the run.")
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT|KEY=VALUE]...",
            help="What to look at: prompts, classes, files or texts; and the view's options.",
        ),
    ] = None,
    seed: Seed = 0,
    raw: Raw = False,
    checkpoint: Checkpoint = None,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show how a run made what it made.

    Writes RUN/explain/WHAT-<n>/page.html, which opens in any browser, and the numbers beside it.
    Without WHAT it lists the views that fit the run, each with its options.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.explain import explain
    from noiseloom.explain.listing import listing
    from noiseloom.runs import Run

    opened = Run.open(run)
    if what is None:
        with watch() as on_event:
            fits = listing(opened, device=device, on_event=on_event)
        answer(fits.text, fits.document, as_json)
        return
    given = words or []
    options = [word for word in given if OPTION.match(word)]
    with watch() as on_event:
        found = explain(
            opened,
            what,
            [word for word in given if not OPTION.match(word)],
            options,
            seed=seed,
            raw=raw,
            checkpoint=checkpoint,
            device=device,
            on_event=on_event,
        )
    folder = found.save(opened.folder, what)
    document = {**found.document(), "page": str(folder / "page.html")}
    answer(f"{found.lead}\nOpen: {folder / 'page.html'}", document, as_json)
