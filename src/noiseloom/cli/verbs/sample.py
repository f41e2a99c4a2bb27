"""`noiseloom sample RUN`"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseloom.cli.options import (
    AsJson,
    Autoguide,
    Beams,
    Checkpoint,
    Debug,
    Device,
    Ema,
    GivenAt,
    GivenClip,
    GivenFrames,
    Guidance,
    GuidanceInterval,
    GuidingClassifier,
    Input,
    LengthPenalty,
    MaxTokens,
    MinP,
    Negative,
    Prompt,
    Raw,
    Refine,
    RepetitionPenalty,
    Rescale,
    RunFolder,
    Sampler,
    Seed,
    Size,
    Spacing,
    Steps,
    Stop,
    Temperature,
    Tolerance,
    TopK,
    TopP,
    Unmasking,
    Untuned,
)
from noiseloom.cli.output import answer
from noiseloom.errors import InputError

if TYPE_CHECKING:
    from noiseloom.runs import Run

ITEMS, ITEMS_OF_PROMPT, TEXTS = 64, 16, 1  # where --num is not given
ASKING = ("--prompt", "--input")  # what says in words what is to come
ITEMS_AT_ONCE, TEXTS_AT_ONCE = 250, 16


def verb(
    run: RunFolder,
    num: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many samples (64; of a prompt 16), or texts of each prompt (1)."
        ),
    ] = None,
    prompt: Prompt = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    beams: Beams = None,
    length_penalty: LengthPenalty = None,
    stop: Stop = None,
    unmasking: Unmasking = None,
    source: Input = None,
    steps: Steps = None,
    sampler: Sampler = None,
    spacing: Spacing = None,
    tolerance: Tolerance = None,
    guidance: Guidance = None,
    guidance_interval: GuidanceInterval = None,
    rescale: Rescale = None,
    negative: Negative = None,
    given: GivenClip = None,
    given_frames: GivenFrames = None,
    given_at: GivenAt = None,
    autoguide: Autoguide = None,
    classifier: GuidingClassifier = None,
    refine: Refine = None,
    size: Size = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="A class by number or name; again, or with commas, for several."),
    ] = None,
    seed: Seed = 0,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Samples made at once; changes memory, not samples."),
    ] = None,
    raw: Raw = False,
    ema: Ema = None,
    untuned: Untuned = False,
    checkpoint: Checkpoint = None,
    device: Device = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR/",
            help="FILE.png, FILE.gif, FILE.mp4 (of clips), FILE.npz, a folder; of text FILE.jsonl.",
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw samples from a run and save them, or have it write text and print that.

    Of pictures: a .png is one sheet, a .gif the way from noise, a .npz the arrays `images` and
    `labels`, a folder one file a sample. Of clips: a .png is their frames in strips, a .gif or
    .mp4 all of them moving, a .npz the array `clips`. Without --label, labels take turns. Of text:
    what answers --prompt goes to standard output as it comes; --input takes a prompt from each line
    of a file, and answers in JSON lines, to --out where that is given. A run that was trained on
    captions draws what --prompt says, or each line of --input.
    """
    from noiseloom.networks import WRITTEN
    from noiseloom.runs import Run

    opened = Run.open(run)
    writes = opened.recipe.task.answers in WRITTEN
    drawing = {
        "--sampler": sampler,
        "--spacing": spacing,
        "--tolerance": tolerance,
        "--guidance": guidance,
        "--guidance-interval": guidance_interval,
        "--rescale": rescale,
        "--negative": negative,
        "--given": given,
        "--given-frames": given_frames,
        "--given-at": given_at,
        "--autoguide": autoguide,
        "--classifier": classifier,
        "--refine": refine,
        "--size": size,
        "--label": label,
        "--untuned": untuned or None,
    }
    writing = {
        "--prompt": prompt,
        "--max-tokens": max_tokens,
        "--temperature": temperature,
        "--top-k": top_k,
        "--top-p": top_p,
        "--min-p": min_p,
        "--repetition-penalty": repetition_penalty,
        "--beams": beams,
        "--length-penalty": length_penalty,
        "--stop": stop,
        "--unmasking": unmasking,
        "--input": source,
    }
    if getattr(opened.recipe.task, "takes_prompts", False):
        writing = {name: given for name, given in writing.items() if name not in ASKING}
    refuse(opened, drawing if writes else writing, "pictures" if writes else "text")
    if writes:
        from noiseloom.cli.writing import write

        write(
            opened,
            prompt=prompt,
            source=source,
            out=out,
            as_json=as_json,
            num=num or TEXTS,
            max_tokens=max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            beams=beams,
            length_penalty=length_penalty,
            stop=stop,
            steps=steps,
            unmasking=unmasking,
            seed=seed,
            batch_size=batch_size or TEXTS_AT_ONCE,
            raw=raw,
            ema=ema,
            checkpoint=checkpoint,
            device=device,
        )
        return
    from noiseloom.cli.progress import watch
    from noiseloom.data.forms import VideoForm
    from noiseloom.media import sample_kind
    from noiseloom.training.loop import Working

    is_clips = isinstance(opened.form, VideoForm)
    target = out or str(opened.folder / "samples" / f"seed-{seed}.{'gif' if is_clips else 'png'}")
    kind = sample_kind(target, clips=is_clips)
    prompts = _prompts(prompt, source)
    if num is None:
        num = ITEMS if prompts is None else ITEMS_OF_PROMPT if len(prompts) == 1 else len(prompts)
    with watch() as on_event:
        samples = opened.sample(
            prompts=prompts,
            num=num,
            steps=steps,
            sampler=sampler,
            spacing=spacing,
            tolerance=tolerance,
            guidance=guidance,
            interval=guidance_interval,
            rescale=rescale,
            negative=negative,
            given=given,
            given_frames=given_frames,
            given_at=None if given_at is None else _numbers(given_at),
            autoguide=autoguide,
            classifier=classifier,
            refine=refine,
            label=_labels(label),
            size=_size(size),
            seed=seed,
            batch_size=batch_size or ITEMS_AT_ONCE,
            raw=raw,
            ema=ema,
            untuned=untuned,
            checkpoint=checkpoint,
            device=device,
            keep_frames=kind == "gif" and not is_clips,
            on_step=lambda done, total: on_event(Working("Sampling", done, total)),
            on_event=on_event,
        )
    path = opened.save(samples, target)
    document: dict[str, object] = {"run": str(opened.folder), "out": str(path), "num": num}
    if samples.captions is not None:
        document["captions"] = list(dict.fromkeys(samples.captions))
    answer(str(path), document, as_json)


def refuse(run: Run, options: Mapping[str, object], meant_for: str) -> None:
    """InputError where an option is given that is not for what this run does."""
    from noiseloom.evaluate.commands import use

    if given := [name for name, value in options.items() if value is not None]:
        own = use(run.recipe.task.answers, str(run.folder))
        raise InputError(
            f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} for runs that make "
            f"{meant_for}; {run.folder} {own.does}. Leave it out, or use it with: {own.command}"
        )


def _prompts(prompt: str | None, source: str | None) -> list[str] | None:
    """What is to be drawn, in words: one prompt, or the lines of a file; InputError for both."""
    from noiseloom.runs.prompts import read_prompts

    if source is None:
        return None if prompt is None else [prompt]
    if prompt is not None:
        raise InputError("--prompt and --input are both given; leave one of them out")
    return [one.text for one in read_prompts(Path(source))]


def _numbers(text: str) -> list[int]:
    """The numbers of `1-3,11`: 1, 2, 3 and 11; InputError for what is none."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            numbers += range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise InputError(
                f"--given-at is {text}; allowed are the numbers of frames, from 1, with commas and "
                "ranges, such as 1,11 or 1-3,11"
            ) from None
    return numbers


def _size(text: str | None) -> tuple[int, int] | None:
    """The height and width of `24x40`; InputError for what is none."""
    if text is None:
        return None
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdecimal() and width.isdecimal()):
        raise InputError(f"--size is {text}; allowed is HEIGHTxWIDTH in pixels, such as 24x40")
    return int(height), int(width)


def _labels(words: list[str] | None) -> list[str] | None:
    split = [label.strip() for word in words or [] for label in word.split(",")]
    return [label for label in split if label] or None
