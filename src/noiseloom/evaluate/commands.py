"""What one does with a finished run, by what it answers: the verb, the commands, the Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from noiseloom.evaluate.facts import ItemKind
from noiseloom.networks import Answer


@dataclass(frozen=True)
class Use:
    """`does` and `lacks` say it of a run: "draws samples", "draws no samples"."""

    verb: str
    does: str
    lacks: str
    invitation: str
    commands: tuple[str, ...]
    python: tuple[str, ...]

    @property
    def command(self) -> str:
        """The first thing to try."""
        return self.commands[0]


def use(
    answers: Answer,
    folder: str,
    class_names: Sequence[str] = (),
    items: ItemKind = "images",
    prompt: str = "",
) -> Use:
    """What to do with the run in `folder` (a path, not quoted), by what comes out and goes in.

    `prompt` is an example of what is asked in words, where samples are.
    """
    if prompt and answers == "items":
        return _draw_in_words(shlex.quote(folder), prompt)
    return _USES[answers](shlex.quote(folder), class_names, items)


def _draw(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    label = f" --label {shlex.quote(class_names[0])}" if class_names else ""
    sample = f"noiseloom sample {folder}"
    if items == "clips":
        return Use(
            verb="sample",
            does="makes clips",
            lacks="makes no clips",
            invitation="Make clips, go on after a stop, or measure again:",
            commands=(
                f"{sample} --num 16 --out clips.gif",
                f"{sample} --num 4 --seed 1 --out strips.png",
            ),
            python=("run.sample(num=4).picture().show()",),
        )
    return Use(
        verb="sample",
        does="draws samples",
        lacks="draws no samples",
        invitation="Draw samples, one of them as it forms, go on after a stop, or measure again:",
        commands=(
            f"{sample} --num 64 --out samples.png",
            f"{sample} --num 1{label} --seed 1 --out one.gif",
        ),
        python=("run.sample(num=64).picture().show()",),
    )


def _draw_in_words(folder: str, prompt: str) -> Use:
    sample, asked = f"noiseloom sample {folder}", shlex.quote(prompt)
    return Use(
        verb="sample",
        does="draws what a text says",
        lacks="draws no samples",
        invitation="Draw what you say, watch it form, go on after a stop, or measure again:",
        commands=(
            f"{sample} --prompt {asked} --out drawn.png",
            f"{sample} --prompt {asked} --num 1 --seed 1 --out one.gif",
        ),
        python=(f"run.sample(prompts=[{prompt!r}], num=4).picture().show()",),
    )


def _write(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    sample = f"noiseloom sample {folder}"
    return Use(
        verb="sample",
        does="writes text",
        lacks="writes no text",
        invitation="Have it write, go on after a stop, or measure again:",
        commands=(
            f'{sample} --prompt "Once upon a time" --max-tokens 200',
            f"{sample} --input prompts.txt --out texts.jsonl",
        ),
        python=('print(run.write("Once upon a time")[0])',),
    )


def _fill(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    sample = f"noiseloom sample {folder}"
    return Use(
        verb="sample",
        does="fills in masks",
        lacks="fills in no masks",
        invitation="Have it fill in masks, go on after a stop, or measure again:",
        commands=(
            f'{sample} --prompt "A text with a <mask> in it"',
            f"{sample} --input texts.txt --out filled.jsonl",
        ),
        python=('print(run.write("A text with a <mask> in it")[0])',),
    )


def _translate(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    sample = f"noiseloom sample {folder}"
    return Use(
        verb="sample",
        does="translates",
        lacks="translates nothing",
        invitation="Have it translate, go on after a stop, or measure again:",
        commands=(
            f'{sample} --prompt "A sentence to translate."',
            f"{sample} --input sentences.txt --out translations.jsonl",
        ),
        python=('print(run.write("A sentence to translate.")[0])',),
    )


ONE: dict[ItemKind, tuple[str, str, str]] = {  # where an item is, in a shell, in Python
    "images": ("in a picture", "picture.png", '"picture.png"'),
    "points": ("at a point", "points.npy", '"points.npy"'),
    "texts": ("in a text", '"A text to read."', '"A text to read."'),
    "series": ("in a series", "series.csv", '"series.csv"'),
    "clips": ("in a clip", "clip.gif", '"clip.gif"'),
}


def _predict(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    where, shell, python = ONE[items]
    return Use(
        verb="predict",
        does="predicts classes",
        lacks="predicts no classes",
        invitation=f"Ask it what is {where}, go on after a stop, or measure again:",
        commands=(f"noiseloom predict {folder} {shell}",),
        python=(f"print(run.predict([{python}]).names)",),
    )


def _estimate(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    where, shell, python = ONE[items]
    return Use(
        verb="predict",
        does="estimates numbers",
        lacks="estimates no numbers",
        invitation=f"Ask it for the number {where}, go on after a stop, or measure again:",
        commands=(f"noiseloom predict {folder} {shell}",),
        python=(f"print(run.predict([{python}]))",),
    )


def _find(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    return Use(
        verb="predict",
        does="finds answers in a text",
        lacks="finds no answers in texts",
        invitation="Ask it about a text, go on after a stop, or measure again:",
        commands=(f'noiseloom predict {folder} --context text.txt --question "Who wrote it?"',),
        python=('print(run.predict([("A text.", "Who wrote it?")]).words)',),
    )


def _reconstruct(folder: str, class_names: Sequence[str], items: ItemKind) -> Use:
    train = "noiseloom train RECIPE task.autoencoder.run="
    return Use(
        verb="train",
        does="reconstructs images",
        lacks="reconstructs no images",
        invitation="Train a model that draws in its latents, go on after a stop, or measure again:",
        commands=(f"{train}{folder}",),
        python=('run.reconstruct(["picture.png"]).picture().show()',),
    )


_USES = {
    "items": _draw,
    "classes": _predict,
    "reconstructions": _reconstruct,
    "numbers": _estimate,
    "text": _write,
    "masks": _fill,
    "translations": _translate,
    "spans": _find,
}
