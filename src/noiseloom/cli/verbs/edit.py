"""`noiseloom edit inpaint|outpaint|vary|interpolate|invert|upscale RUN IMAGE...`"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from noiseloom.runs.editing import Edited, Editor

verb = typer.Typer(help="Edit pictures with a run, without retraining.")

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.")]
Num = Annotated[int, typer.Option(min=1, help="How many answers.")]
Label = Annotated[
    str | None, typer.Option(help="What it is to be, a class by number or name; any if not given.")
]
Jump = Annotated[int, typer.Option(min=1, help="Moves that are made again at a time.")]
Resamplings = Annotated[
    int, typer.Option(min=1, help="How often they are made: the time it takes, and how it fits.")
]
FillingSampler = Annotated[
    str | None, typer.Option("--sampler", help="Which sampler; ddpm if not given.")
]
InvertibleSampler = Annotated[
    str | None, typer.Option("--sampler", help="ddim, euler or heun; heun if not given.")
]
Out = Annotated[
    str | None,
    typer.Option(metavar="FILE|DIR/", help="FILE.png, FILE.gif, FILE.npz, or a folder."),
]


@verb.callback(invoke_without_command=True)
def _edit(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@verb.command()
def inpaint(
    run: RunFolder,
    image: Image,
    mask: Annotated[str, typer.Option(help="An image of the same size, white where to fill in.")],
    num: Num = 8,
    label: Label = None,
    steps: Steps = None,
    sampler: FillingSampler = None,
    guidance: Guidance = None,
    jump: Jump = 5,
    resamplings: Resamplings = 10,
    seed: Seed = 0,
    raw: Raw = False,
    device: Device = None,
    out: Out = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fill in what is white in a mask.

    Everything else stays as it is, to the pixel.
    """

    def edit(editor: Editor) -> Edited:
        return editor.inpaint(
            image,
            mask,
            num=num,
            label=label,
            steps=steps,
            sampler=sampler,
            jump=jump,
            resamplings=resamplings,
            seed=seed,
        )

    _edit_and_save(run, "inpaint", edit, guidance, raw, device, out, as_json)


@verb.command()
def outpaint(
    run: RunFolder,
    image: Image,
    place: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="Its left upper corner in pixels; the middle if not."),
    ] = None,
    num: Num = 8,
    label: Label = None,
    steps: Steps = None,
    sampler: FillingSampler = None,
    guidance: Guidance = None,
    jump: Jump = 5,
    resamplings: Resamplings = 10,
    seed: Seed = 0,
    raw: Raw = False,
    device: Device = None,
    out: Out = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make what lies round a smaller picture.

    The picture stays as it is; the rest of the run's canvas is filled in.
    """
    corner = _corner(place)

    def edit(editor: Editor) -> Edited:
        return editor.outpaint(
            image,
            place=corner,
            num=num,
            label=label,
            steps=steps,
            sampler=sampler,
            jump=jump,
            resamplings=resamplings,
            seed=seed,
        )

    _edit_and_save(run, "outpaint", edit, guidance, raw, device, out, as_json)


@verb.command()
def vary(
    run: RunFolder,
    image: Image,
    strength: Annotated[
        float, typer.Option(help="Above 0, which keeps the picture, to 1, which forgets it.")
    ] = 0.5,
    num: Num = 8,
    label: Label = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance: Guidance = None,
    seed: Seed = 0,
    raw: Raw = False,
    device: Device = None,
    out: Out = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw pictures that are like one.

    It is noised up to --strength of the way, and drawn anew.
    """

    def edit(editor: Editor) -> Edited:
        return editor.vary(
            image,
            strength=strength,
            num=num,
            label=label,
            steps=steps,
            sampler=sampler,
            seed=seed,
        )

    _edit_and_save(run, "vary", edit, guidance, raw, device, out, as_json)


@verb.command()
def interpolate(
    run: RunFolder,
    first: Annotated[str, typer.Argument(metavar="A", help="The image it begins with.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The image it ends with.")],
    num: Annotated[int, typer.Option(min=2, help="Pictures, both ends among them.")] = 8,
    label: Label = None,
    steps: Annotated[int, typer.Option(min=1, help="Moves each way.")] = 50,
    sampler: InvertibleSampler = None,
    raw: Raw = False,
    device: Device = None,
    out: Out = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Go from one picture to another.

    By way of the noises that both come from; a .gif goes there and back.
    """

    def edit(editor: Editor) -> Edited:
        return editor.interpolate(first, second, num=num, label=label, steps=steps, sampler=sampler)

    _edit_and_save(run, "interpolate", edit, None, raw, device, out, as_json)


@verb.command()
def invert(
    run: RunFolder,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Image files.")],
    label: Label = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Moves each way; 5, 10, 20 and 40 if not given.")
    ] = None,
    sampler: InvertibleSampler = None,
    raw: Raw = False,
    device: Device = None,
    out: Out = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find the noise that pictures come from.

    And what comes out of it again: the error of the way there and back is said for a few numbers
    of steps, or for --steps.
    """

    def edit(editor: Editor) -> Edited:
        return editor.invert(images, label=label, steps=steps, sampler=sampler)

    _edit_and_save(run, "invert", edit, None, raw, device, out, as_json)


@verb.command()
def upscale(
    run: RunFolder,
    small: Annotated[str, typer.Argument(metavar="SMALL", help="An image of fewer pixels.")],
    num: Num = 8,
    label: Label = None,
    steps: Steps = None,
    sampler: FillingSampler = None,
    guidance: Guidance = None,
    jump: Jump = 5,
    resamplings: Resamplings = 10,
    seed: Seed = 0,
    raw: Raw = False,
    device: Device = None,
    out: Out = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw what a small picture may be.

    Pictures of the run's size that are the small one when blocks of pixels are averaged.
    """

    def edit(editor: Editor) -> Edited:
        return editor.upscale(
            small,
            num=num,
            label=label,
            steps=steps,
            sampler=sampler,
            jump=jump,
            resamplings=resamplings,
            seed=seed,
        )

    _edit_and_save(run, "upscale", edit, guidance, raw, device, out, as_json)


def _corner(place: str | None) -> tuple[int, int] | None:
    if place is None:
        return None
    parts = place.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter(f"--place is {place}; allowed are two numbers of pixels: 4,10.")
    return int(parts[0]), int(parts[1])


def _edit_and_save(
    run: str,
    kind: str,
    edit: Callable[[Editor], Edited],
    guidance: float | None,
    raw: bool,
    device: Device,
    out: str | None,
    as_json: bool,
) -> None:
    """Make the edit, save it and say where."""
    from noiseloom.cli.progress import watch
    from noiseloom.media import sample_kind
    from noiseloom.runs import Run
    from noiseloom.runs.editing import Editor
    from noiseloom.runs.guiding import Guiding

    opened = Run.open(run)
    target = out or str(opened.folder / "samples" / f"{kind}.png")
    keep_frames = sample_kind(target) == "gif"
    with watch() as on_event:
        editor = Editor(
            opened,
            guiding=Guiding(scale=guidance),
            raw=raw,
            device=device,
            keep_frames=keep_frames,
            on_event=on_event,
        )
        edited = edit(editor)
    path = edited.save(target)
    document = {"run": str(opened.folder), "edit": kind, "out": str(path), **edited.figures}
    answer("\n".join([*edited.said(), str(path)]), document, as_json)
