"""`noiseloom predict RUN IMAGE...`"""

from __future__ import annotations

from typing import Annotated

import typer

from noiseloom.cli.options import AsJson, Checkpoint, Debug, Device, Raw, RunFolder
from noiseloom.cli.output import answer


def verb(
    run: RunFolder,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Image files.")],
    raw: Raw = False,
    checkpoint: Checkpoint = None,
    device: Device = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say which class each image is in, and how sure the run is.

    --json prints the probability of every class.
    """
    from noiseloom.cli.progress import watch
    from noiseloom.runs import Run

    opened = Run.open(run)
    with watch() as on_event:
        found = opened.predict(
            images, raw=raw, checkpoint=checkpoint, device=device, on_event=on_event
        )
    width = max(map(len, images))
    lines = [
        f"{image:<{width}}  {name} ({confidence:.1%})"
        for image, name, confidence in zip(images, found.names, found.confidence, strict=True)
    ]
    rows = zip(images, found.names, found.probabilities.tolist(), strict=True)
    document = [
        {
            "file": image,
            "class": name,
            "probabilities": dict(zip(found.class_names, row, strict=True)),
        }
        for image, name, row in rows
    ]
    answer("\n".join(lines), {"run": run, "predictions": document}, as_json)
