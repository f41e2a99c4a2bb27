"""`noiseloom sample RUN`"""

from __future__ import annotations

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


def verb(
    run: RunFolder,
    num: Annotated[int, typer.Option(min=1, help="How many samples.")] = 64,
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
    label: Annotated[
        list[str] | None,
        typer.Option(help="A class by number or name; again, or with commas, for several."),
    ] = None,
    seed: Seed = 0,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Samples made at once; changes memory, not samples.")
    ] = 250,
    raw: Raw = False,
    ema: Ema = None,
    untuned: Untuned = False,
    checkpoint: Checkpoint = None,
    device: Device = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE|DIR/", help="FILE.png, FILE.gif, FILE.npz, or a folder."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw samples from a run and save them.

    A .png is one sheet, a .gif the way from noise, a .npz the arrays `images` and `labels`, a
    folder one file a sample. Without --label, labels take turns.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.media import sample_kind
    from noiseloom.runs import Run
    from noiseloom.training.loop import Working

    opened = Run.open(run)
    target = out or str(opened.folder / "samples" / f"seed-{seed}.png")
    kind = sample_kind(target)
    with watch() as on_event:
        samples = opened.sample(
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
            label=_labels(label),
            seed=seed,
            batch_size=batch_size,
            raw=raw,
            ema=ema,
            untuned=untuned,
            checkpoint=checkpoint,
            device=device,
            keep_frames=kind == "gif",
            on_step=lambda done, total: on_event(Working("Sampling", done, total)),
            on_event=on_event,
        )
    path = opened.save(samples, target)
    answer(str(path), {"run": str(opened.folder), "out": str(path), "num": num}, as_json)


def _labels(words: list[str] | None) -> list[str] | None:
    split = [label.strip() for word in words or [] for label in word.split(",")]
    return [label for label in split if label] or None
