"""A recipe: one YAML file that says everything about a run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

from noiseloom.config import (
    FieldErrors,
    option,
    override,
    parse,
    read_yaml,
    to_mapping,
    word_of,
    write_yaml,
)
from noiseloom.errors import InputError
from noiseloom.menu import member, nearest, words
from noiseloom.networks import answers_of
from noiseloom.training.loop import TrainingConfig

EXCLUSIVE = [("training.steps", "training.max_minutes")]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a training was foretold to take; the run says how far off that was."""

    minutes: float = option(help="from the first to the last step")
    gib: float = option(help="memory of the process while it trains, GiB")

    def __post_init__(self) -> None:
        if not (self.minutes > 0 and self.gib > 0):
            raise ValueError(
                f"minutes {self.minutes:g} and gib {self.gib:g} are given; allowed is above 0 each"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to make (`task`) from what (`data`) with what (`network`), how, and how to judge it."""

    name: str = option("recipe", "names the run's folder")
    task: Any = option(help="what is wanted, by its Hugging Face name", menu="noiseloom.tasks")
    data: Any = option(help="what is learned from", menu="noiseloom.data")
    network: Any = option(help="what learns", menu="noiseloom.networks")
    training: TrainingConfig = option(help="how long, how fast, how safely")
    evaluation: Any = option(help="how the result is measured", menu="noiseloom.evaluate")
    prediction: Prediction | None = option(
        None, "what `recipes suggest` foretold, to be compared at the end"
    )

    def __post_init__(self) -> None:
        unfit = [
            part
            for part in ("network", "evaluation")
            if self.task.answers not in answers_of(getattr(self, part))
        ]
        if unfit:
            raise FieldErrors({part: _unfit(self, part) for part in unfit})
        if said := _disordered(self):
            raise FieldErrors({"network": said})
        if said := _misjudged(self):
            raise FieldErrors({"evaluation": said})

    @classmethod
    def load(cls, name_or_path: str | Path, overrides: Sequence[str] = ()) -> Self:
        """A shipped recipe by name, or a YAML file by path, with `key=value` changes applied.

        Giving `training.steps` unsets `training.max_minutes`, and the other way round. Raises
        InputError that lists everything wrong at once, with file, line and nearest match.
        """
        path = find_recipe(name_or_path)
        document = read_yaml(path)
        if document.get("name") is None:
            document = override(document, [f"name={path.stem}"])
        return parse(cls, override(document, overrides, exclusive=EXCLUSIVE))

    def to_yaml(self) -> str:
        """The recipe with every value resolved, as a file that `load` reads back."""
        return write_yaml(to_mapping(self))


def _unfit(recipe: Recipe, part: str) -> str:
    """Why the recipe's network or evaluation does not fit its task, and which do."""
    made_for = " or ".join(answers_of(getattr(recipe, part)))
    return (
        f"{part} '{word_of(recipe, part)}' is made for a task that answers {made_for}, and task "
        f"'{word_of(recipe, 'task')}' answers {recipe.task.answers}. Use {part} "
        f"{' or '.join(_fitting(recipe, part))}"
    )


def _fitting(recipe: Recipe, part: str) -> list[str]:
    """The networks or evaluations that fit the recipe's task."""
    menu = {"network": "noiseloom.networks", "evaluation": "noiseloom.evaluate"}[part]
    configs = {word: member(menu, word).Config for word in words(menu)}
    wanted = _in_order(type(recipe.task))
    return [
        word
        for word, config in configs.items()
        if recipe.task.answers in answers_of(config)
        and (part == "evaluation" or _in_order(config) == wanted)
    ]


def _disordered(recipe: Recipe) -> str | None:
    """Why a network that reads pixels in order is not for this task, or only such a one is."""
    wanted = _in_order(type(recipe.task))
    if wanted == _in_order(type(recipe.network)):
        return None
    reads, needs = "the numbers of an item one after the other", "whole items"
    if wanted:
        reads, needs = needs, reads
    return (
        f"network '{word_of(recipe, 'network')}' reads {reads}, and task "
        f"'{word_of(recipe, 'task')}' needs one that reads {needs}. Use network "
        f"{' or '.join(_fitting(recipe, 'network'))}"
    )


def _in_order(config: type) -> bool:
    return getattr(config, "in_order", False)


def _misjudged(recipe: Recipe) -> str | None:
    """Why the evaluation cannot judge what this task makes of this data, if so."""
    made_for = getattr(recipe.evaluation, "made_for", None)
    evaluation, data = word_of(recipe, "evaluation"), word_of(recipe, "data")
    if made_for is not None and data not in made_for:
        return (
            f"evaluation '{evaluation}' knows what there is in data {' or '.join(made_for)}, and "
            f"data is '{data}'. Use an evaluation of any images, such as images"
        )
    misfit = getattr(recipe.evaluation, "misfit", None)
    if misfit is not None and (said := misfit(recipe.data)):
        return str(said)
    judges_prompts = getattr(recipe.evaluation, "judges_prompts", False)
    if judges_prompts and not getattr(recipe.task, "takes_prompts", False):
        tasks = [
            word
            for word in words("noiseloom.tasks")
            if getattr(member("noiseloom.tasks", word).Config, "takes_prompts", False)
        ]
        return (
            f"evaluation '{evaluation}' judges what prompts ask for, and task "
            f"'{word_of(recipe, 'task')}' takes none. Use task {' or '.join(tasks)}"
        )
    return None


def fingerprint_of(path: Path) -> str:
    """A hash of the values written in a run's recipe.yaml: a checkpoint belongs to one of them.

    Of those written there when the run was made, not of all that there are: an option which has
    come since is not among them, and at its default it changes nothing. How processes share the
    work out is not part of it: any of them may go on with the run.
    """
    written = read_yaml(path).root.plain()
    written.get("training", {}).pop("sharding", None)
    return hashlib.sha256(write_yaml(written).encode()).hexdigest()[:16]


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a shipped recipe or of a path; InputError with the nearest name for neither."""
    shipped = _shipped()
    if (name := str(name_or_path)) in shipped:
        return shipped[name]
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise InputError(f"There is no recipe file {path}.")
        return path
    guess = nearest(name, list(shipped))
    raise InputError(
        f"There is no recipe '{name}'. Shipped are {', '.join(shipped)}; a path must end in .yaml."
        + (f" Did you mean '{guess}'?" if guess else "")
    )


def shipped_recipes() -> list[tuple[str, list[str]]]:
    """The shipped recipes: name, and the comment lines that head the file."""
    listed = []
    for name, path in _shipped().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        head = lines[: next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)]
        listed.append((name, [line.removeprefix("#").strip() for line in head]))
    return listed


def _shipped() -> dict[str, Path]:
    folder = Path(str(resources.files("noiseloom") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
