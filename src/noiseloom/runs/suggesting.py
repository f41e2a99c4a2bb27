"""A command for data nobody has looked at yet: recipe, size and plan, for so many minutes.

Images are suggested by `data/suggest.py`, from a look at their headers. Everything else is opened
as a training would open it, and a few steps of what is suggested are timed, so that the time and
the memory foretold are those of this machine. They go into the command as `prediction`: the run
says at its end how far off they were.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from noiseloom.data.dataset import Dataset, TextDataset
from noiseloom.data.kinds import DataKind, data_kind
from noiseloom.data.suggest import Suggestion, argument
from noiseloom.data.suggest import suggest as suggest_images
from noiseloom.errors import InputError
from noiseloom.runs.recipe import Recipe
from noiseloom.runs.trial import Trial, try_steps

MINUTES = 5.0  # where nobody says how long it may take
FEW_KINDS = 256  # of characters: more of them are learned as pieces of words
SMALL_TEXT = 3_000_000  # bytes up to which characters are learned one by one
LARGE_TEXT = 30_000_000  # bytes from which on a larger vocabulary is seen often enough
SIZES = ((64, 4), (96, 4), (128, 4), (192, 6), (256, 6), (384, 6), (512, 8), (768, 12))
TOKENS_A_PARAMETER = 20  # compute is best spent so (Hoffmann et al. 2022, arXiv:2203.15556)
REPEATED = 4.0  # passes from which on text is no longer as good as new (arXiv:2305.16264)
MOST_PASSES = {"table": 12, "series": 60, "pairs": 60, "questions": 20, "clips": 200}
RECIPES = {"pairs": "translation", "questions": "question-answering", "clips": "video-folder"}


@dataclass(frozen=True)
class Plan:
    """A recipe with the changes that fit it to the data, tried, and the steps there is time for."""

    recipe: str
    overrides: Mapping[str, str | float]
    trial: Trial
    steps: int
    items: int
    words: tuple[str, ...]


def suggest(path: str | Path, minutes: float | None = None) -> Suggestion:
    """What to train on the data at `path` within so many minutes, and what to expect of it.

    Raises InputError where nothing usable lies there, DataError where it cannot be trained on.
    """
    if minutes is not None and not minutes > 0:
        raise InputError(f"{minutes:g} minutes are given; allowed is more than 0")
    path = Path(path).expanduser()
    if (kind := data_kind(path)) in ("images", "captioned"):
        return suggest_images(path, minutes, captioned=kind == "captioned")
    plan = (_plan_text if kind == "text" else _plan_rows)(path, kind, minutes or MINUTES)
    seconds = plan.steps * plan.trial.step_seconds
    gib = plan.trial.memory_bytes / 2**30
    overrides = {
        **plan.overrides,
        "training.steps": plan.steps,
        "prediction.minutes": round(seconds / 60, 2),
        "prediction.gib": round(gib, 2),
    }
    told = " ".join(argument(key, value) for key, value in overrides.items())
    return Suggestion(
        f"noiseloom train {plan.recipe} {told}",
        plan.recipe,
        overrides,
        round(seconds / 60, 2),
        plan.trial.memory_bytes,
        (
            f"{plan.trial.parameters:,} parameters, {1000 * plan.trial.step_seconds:.0f} ms a step "
            "here; to measure the result takes about a minute more.",
            *plan.words,
        ),
    )


def _plan_text(path: Path, kind: DataKind, minutes: float) -> Plan:
    """A language model of the size that the minutes can train, for text seen once or often."""
    data = {"data.path": str(path), **_pieces(path)}
    dataset = _load("text-once", data).data.open()
    assert isinstance(dataset, TextDataset)
    context = dataset.form.context
    unique = len(dataset.train.items) * context  # the recipe for it takes each token once
    width, depth = SIZES[0]
    smallest = {**data, "network.width": width, "network.depth": depth}
    trial = try_steps(_load("text-once", smallest), dataset)
    batch = _load("text-once", smallest).training.batch_size
    per_second = batch * context * trial.step_seconds**-1
    speed = per_second * _products(width, depth, context)  # products a second, all told
    fitting = [
        (width, depth)
        for width, depth in SIZES
        if 60 * minutes * speed / _products(width, depth, context)
        >= TOKENS_A_PARAMETER * 12 * width**2 * depth
    ]
    width, depth = fitting[-1] if fitting else SIZES[0]
    seen = 60 * minutes * speed / _products(width, depth, context)
    recipe = "text-repeated" if seen / unique > REPEATED else "text-once"
    chosen = {**data, "network.width": width, "network.depth": depth}
    trial = try_steps(_load(recipe, chosen), dataset)
    batch = _load(recipe, chosen).training.batch_size
    steps = max(1, int(60 * minutes / trial.step_seconds))
    passes = steps * batch * context / unique
    regime = (
        "it is seen so often that what holds back from learning it by heart is on "
        "(drop-out, weight decay)"
        if recipe == "text-repeated"
        else "nothing is seen so often that it could be learned by heart, so nothing holds back"
    )
    words = (f"{unique:,} tokens of text, each seen about {passes:.1f} times: {regime}.",)
    return Plan(recipe, chosen, trial, steps, len(dataset.train.items), words)


def _plan_rows(path: Path, kind: DataKind, minutes: float) -> Plan:
    """The kind's recipe, for as many passes over the rows as there is time and use for."""
    data = {"data.path": str(path)}
    recipe, dataset = _opened(kind, data)
    trial = try_steps(_load(recipe, data), dataset)
    batch, rows = _load(recipe, data).training.batch_size, len(dataset.train.items)
    useful = max(200, MOST_PASSES[kind] * rows // batch)
    steps = max(1, min(useful, int(60 * minutes / trial.step_seconds)))
    words = [
        f"{rows:,} {'clips' if kind == 'clips' else 'rows'} to train on, each seen about "
        f"{steps * batch / rows:.1f} times."
    ]
    if steps == useful:
        words.append("More passes than that mostly learn the rows by heart: time is left over.")
    return Plan(recipe, data, trial, steps, rows, tuple(words))


def _opened(kind: DataKind, data: Mapping[str, str]) -> tuple[str, Dataset]:
    """The recipe for rows of a kind, and the data as it opens it.

    Whether a label is a class or a number shows when it is read.
    """
    classes, numbers = {
        "table": ("classify-csv", "sts"),
        "series": ("time-series", "time-series-regression"),
    }.get(kind, (RECIPES.get(kind, ""), RECIPES.get(kind, "")))
    dataset: Dataset = _load(classes, data).data.open()
    if kind in RECIPES or dataset.class_names:
        return classes, dataset
    return numbers, _load(numbers, data).data.open()


def _pieces(path: Path) -> dict[str, str | float]:
    """What a token is, by how much text there is and how many kinds of characters it has."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    with files[0].open("rb") as file:
        kinds = len(set(file.read(1_000_000).decode("utf-8", "replace")))
    if size <= SMALL_TEXT and kinds <= FEW_KINDS and files[0].suffix != ".gz":
        return {"data.tokenizer": "characters"}
    return {"data.tokenizer": "bpe", "data.vocabulary": 2048 if size < LARGE_TEXT else 8192}


def _products(width: int, depth: int, context: int) -> float:
    """Multiplications a token, forward: its maps, and half its attention's, since it is causal."""
    return depth * (12 * width**2 + context * width)


def _load(recipe: str, overrides: Mapping[str, str | float]) -> Recipe:
    changes = [
        f"{key}={json.dumps(value, ensure_ascii=False) if isinstance(value, str) else value}"
        for key, value in overrides.items()
    ]
    return Recipe.load(recipe, changes)
