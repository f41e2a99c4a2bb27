"""`noiseloom evaluate RUN`"""

from __future__ import annotations

from typing import Annotated

import typer

from noiseloom.cli.options import (
    AsJson,
    Debug,
    Device,
    Guidance,
    Raw,
    RunFolder,
    Sampler,
    Seed,
    Steps,
)
from noiseloom.cli.output import answer


def verb(
    run: RunFolder,
    num: Annotated[
        int | None, typer.Option(min=2, help="Samples measured; the recipe's if not given.")
    ] = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance: Guidance = None,
    seed: Seed = 0,
    raw: Raw = False,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure a run's samples, predictions or reconstructions on held-out data.

    Writes evaluation.json and report.html; --json prints the former.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.cli.summary import figures, next_steps
    from noiseloom.runs import Run

    opened = Run.open(run)
    with watch() as on_event:
        evaluation = opened.evaluate(
            num=num,
            steps=steps,
            sampler=sampler,
            guidance=guidance,
            seed=seed,
            raw=raw,
            device=device,
            on_event=on_event,
        )
    following = next_steps(opened.folder, opened.recipe.task.answers)
    answer(f"{figures(evaluation)}\n\n{following}", evaluation, as_json)
