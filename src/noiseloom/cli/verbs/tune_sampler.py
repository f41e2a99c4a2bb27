"""`noiseloom tune-sampler RUN`"""

from __future__ import annotations

from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Debug, Device, RunFolder
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
    seed: Annotated[int, typer.Option(help="The same seed searches the same.")] = 0,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find the best way to sample with few network calls.

    The run samples so from then on. Searches sampler, times and guidance for the lowest distance to
    one half of the held-out items, and reports what it found on the other half. sampler.json keeps
    it; remove that file to sample as the recipe says. 80 trials of 1,000 digits take about ten
    minutes on two cores.
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
