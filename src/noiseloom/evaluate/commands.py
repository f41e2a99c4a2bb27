"""What one does with a finished run, by what it answers: the verb, the commands, the Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

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


def use(answers: Answer, folder: str, class_names: Sequence[str] = ()) -> Use:
    """What to do with the run in `folder` (a path, not quoted) that answers `answers`."""
    return _USES[answers](folder, class_names)


def _draw(folder: str, class_names: Sequence[str]) -> Use:
    label = f" --label {shlex.quote(class_names[0])}" if class_names else ""
    sample = f"noiseloom sample {shlex.quote(folder)}"
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


def _predict(folder: str, class_names: Sequence[str]) -> Use:
    return Use(
        verb="predict",
        does="predicts classes",
        lacks="predicts no classes",
        invitation="Ask it what is in a picture, go on after a stop, or measure again:",
        commands=(f"noiseloom predict {shlex.quote(folder)} picture.png",),
        python=('print(run.predict(["picture.png"]).names)',),
    )


def _reconstruct(folder: str, class_names: Sequence[str]) -> Use:
    train = "noiseloom train RECIPE task.autoencoder.run="
    return Use(
        verb="train",
        does="reconstructs images",
        lacks="reconstructs no images",
        invitation="Train a model that draws in its latents, go on after a stop, or measure again:",
        commands=(f"{train}{shlex.quote(folder)}",),
        python=('run.reconstruct(["picture.png"]).picture().show()',),
    )


def _write(folder: str, class_names: Sequence[str]) -> Use:
    sample = f"noiseloom sample {shlex.quote(folder)}"
    return Use(
        verb="sample",
        does="writes text",
        lacks="writes no text",
        invitation="Have it write, go on after a stop, or measure again:",
        commands=(
            f"{sample} --max-tokens 300",
            f'{sample} --prompt "…" --temperature 0.8 --top-p 0.95',
            f"{sample} --input prompts.txt --out texts.jsonl",
        ),
        python=('print(run.write("", max_tokens=300)[0])',),
    )


def _translate(folder: str, class_names: Sequence[str]) -> Use:
    sample = f"noiseloom sample {shlex.quote(folder)}"
    return Use(
        verb="sample",
        does="translates text",
        lacks="translates no text",
        invitation="Have it translate, go on after a stop, or measure again:",
        commands=(
            f'{sample} --prompt "A sentence."',
            f"{sample} --input sentences.txt --out translations.jsonl",
        ),
        python=('print(run.write("A sentence.")[0])',),
    )


_USES = {
    "items": _draw,
    "classes": _predict,
    "reconstructions": _reconstruct,
    "text": _write,
    "translations": _translate,
}
