"""`noiseloom tune-sampler RUN`"""

from __future__ import annotations

from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Debug, Device, RunFolder, Seed
from noiseloom.cli.output import answer


def verb(
    run: RunFolder,
    budget: Annotated[
        int, typer.Option(min=1, help="Network calls a sample may take at most.")
    ] = 8,
    trials: Annotated[int, typer.Option(min=1, help="About how many ways are tried.")] = 80,
    num: Annotated[
        int | None,
        typer.Option(min=10, help="Samples behind each figure; the recipe's if not given."),
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find the best way to sample a run with few network calls, and use it from then on.

    Searches sampler, times and guidance for the lowest distance to one half of the held-out items,
    and reports what it found on the other half. sampler.json keeps it; remove that file to sample
    as the recipe says.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.runs import Run
    from noiseloom.tuning.sampling import in_words, tune_sampler

    opened = Run.open(run)
    with watch() as on_event:
        result = tune_sampler(
            opened,
            budget=budget,
            trials=trials,
            num=num,
            seed=seed,
            device=device,
            on_event=on_event,
        )
    answer(in_words(result, opened.folder), result, as_json)
