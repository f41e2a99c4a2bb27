"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or the path of a .yaml.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes, such as network.depth=8."),
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")]
Evaluate = Annotated[bool, typer.Option(help="Measure the result at the end.")]

Steps = Annotated[
    int | None, typer.Option(min=1, help="Moves from noise to data; the run's if not given.")
]
Sampler = Annotated[
    str | None,
    typer.Option(
        help="Which sampler (ddim, heun, dpm++2m, unipc, adaptive, …); the run's if not given."
    ),
]
Spacing = Annotated[
    str | None,
    typer.Option(help="How its moves are spaced: uniform, quadratic, karras or log-snr."),
]
Tolerance = Annotated[
    float | None, typer.Option(help="The error that an adaptive sampler may make in a move.")
]
Guidance = Annotated[
    float | None,
    typer.Option(help="How strongly samples are guided; 1 is off (by a classifier: 0)."),
]
GuidanceInterval = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="LOW HIGH", help="From which to which t it guides; 0 clean, 1 noise."),
]
Rescale = Annotated[
    float | None, typer.Option(help="How far guided contrast is brought back: 0 not, 1 wholly.")
]
Negative = Annotated[
    str | None,
    typer.Option(metavar="LABEL|TEXT", help="A class, or a text, that guidance leads away from."),
]
GivenClip = Annotated[
    str | None,
    typer.Option(
        metavar="CLIP", help="A clip, or a folder of frames, to go on with or to fill in between."
    ),
]
GivenFrames = Annotated[
    int | None,
    typer.Option(help="How many of its first frames; as many as leave one to be made."),
]
GivenAt = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Which frames of the clip made are given, from 1, such as 1,11 or 1-3,11.",
    ),
]
Autoguide = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE|STEP|RUN",
        help="Guide by an earlier checkpoint, such as 0.3 of the run, or by a weaker run.",
    ),
]
GuidingClassifier = Annotated[
    str | None,
    typer.Option(
        "--classifier", metavar="RUN", help="Guide by a classifier trained with task.noise."
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="HEIGHTxWIDTH",
        help="The shape of the pictures, of a run on several (data.buckets); else the commonest.",
    ),
]
Refine = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="Refine the samples by a run that was trained for this one."),
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same samples.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    typer.Option(help="Where to compute; the recipe's training.device if not given."),
]
Raw = Annotated[bool, typer.Option("--raw", help="The weights themselves, not their average.")]
Ema = Annotated[
    float | None,
    typer.Option(
        help="Width of the weights' average, as a share of the run, such as 0.08; needs "
        "training.snapshots."
    ),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        metavar="best|latest|STEP",
        help="Whose weights; the newest checkpoint's if not given, or the best of a run that "
        "over-fits.",
    ),
]
Untuned = Annotated[
    bool,
    typer.Option("--untuned", help="As the recipe samples, not as tune-sampler found best."),
]

Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="What the run's text answers (may be empty), or its pictures show."
    ),
]
MaxTokens = Annotated[int | None, typer.Option(help="The most tokens that a text may take.")]
Temperature = Annotated[
    float | None,
    typer.Option(help="How freely tokens are drawn; 0: always the likeliest, 1: as it learned."),
]
TopK = Annotated[int | None, typer.Option(help="Draw from the k likeliest tokens alone.")]
TopP = Annotated[
    float | None, typer.Option(help="Draw from the fewest tokens that together have this chance.")
]
MinP = Annotated[
    float | None,
    typer.Option(help="Draw from tokens at least this share as likely as the likeliest."),
]
RepetitionPenalty = Annotated[
    float | None, typer.Option(help="Above 1, tokens that were there before become less likely.")
]
Beams = Annotated[
    int | None, typer.Option(help="Search for the likeliest text with so many side by side.")
]
LengthPenalty = Annotated[
    float | None, typer.Option(help="Of beams: 0 favours short texts, above 1 long ones.")
]
Stop = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="End before this text; again for several."),
]
Unmasking = Annotated[
    Literal["confidence", "random"] | None,
    typer.Option(help="Of models that unmask text: what they reveal first."),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="FILE", help='A prompt a line, or .jsonl with "prompt" or "text".'
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
