"""`noiseloom evaluate RUN`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from noiseloom.cli.options import (
    AsJson,
    Autoguide,
    Checkpoint,
    Debug,
    Device,
    Ema,
    Guidance,
    GuidanceInterval,
    GuidingClassifier,
    Negative,
    Raw,
    Rescale,
    RunFolder,
    Sampler,
    Seed,
    Spacing,
    Steps,
    Tolerance,
    Untuned,
)
from noiseloom.cli.output import answer
from noiseloom.errors import InputError


def verb(
    run: RunFolder,
    num: Annotated[
        int | None,
        typer.Option(
            min=2, help="Samples measured, or held-out items scored; the recipe's, or 256."
        ),
    ] = None,
    steps: Steps = None,
    sampler: Sampler = None,
    spacing: Spacing = None,
    tolerance: Tolerance = None,
    guidance: Guidance = None,
    guidance_interval: GuidanceInterval = None,
    rescale: Rescale = None,
    negative: Negative = None,
    autoguide: Autoguide = None,
    classifier: GuidingClassifier = None,
    seed: Seed = 0,
    raw: Raw = False,
    ema: Ema = None,
    untuned: Untuned = False,
    checkpoint: Checkpoint = None,
    likelihood: Annotated[
        bool, typer.Option("--likelihood", help="How likely held-out items are (--num of them).")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Another file or folder to measure on (data questions)."),
    ] = None,
    device: Device = None,
    ema_sweep: Annotated[
        bool,
        typer.Option(
            "--ema-sweep",
            help="Measure averages of several widths instead, from the run's snapshots.",
        ),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure what a run makes on held-out data.

    With --likelihood instead how likely it finds held-out items, bits per dimension, beside the
    figures there are. With --data on the items of another file. Writes evaluation.json and
    report.html, or evaluation-<name of the data>.json; --json prints the JSON.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.cli.summary import figures, next_steps, scores
    from noiseloom.runs import Run
    from noiseloom.tuning.averages import sweep_averages, sweep_in_words

    opened = Run.open(run)
    if ema_sweep:
        refuse_beside_sweep(
            {
                "--steps": steps,
                "--sampler": sampler,
                "--spacing": spacing,
                "--tolerance": tolerance,
                "--guidance": guidance,
                "--guidance-interval": guidance_interval,
                "--rescale": rescale,
                "--negative": negative,
                "--autoguide": autoguide,
                "--classifier": classifier,
                "--likelihood": likelihood or None,
                "--data": data,
                "--ema": ema,
                "--raw": raw or None,
                "--checkpoint": checkpoint,
            }
        )
        with watch() as on_event:
            swept = sweep_averages(
                opened, num=num, seed=seed, untuned=untuned, device=device, on_event=on_event
            )
        answer(sweep_in_words(swept, opened.folder), swept, as_json)
        return
    with watch() as on_event:
        evaluation = opened.evaluate(
            num=num,
            steps=steps,
            sampler=sampler,
            spacing=spacing,
            tolerance=tolerance,
            guidance=guidance,
            interval=guidance_interval,
            rescale=rescale,
            negative=negative,
            autoguide=autoguide,
            classifier=classifier,
            seed=seed,
            raw=raw,
            ema=ema,
            untuned=untuned,
            checkpoint=checkpoint,
            likelihood=likelihood,
            data=data,
            device=device,
            on_event=on_event,
        )
    following = next_steps(opened.folder, opened.recipe.task.answers)
    said = scores(evaluation) if likelihood else figures(evaluation)
    answer(f"{said}\n\n{following}", evaluation, as_json)


def refuse_beside_sweep(options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InputError(
            f"--ema-sweep measures averages as the run samples: leave out {', '.join(given)}"
        )
