"""What every shipped recipe must do, whichever are added."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.data.suggest import RECIPES
from noiseloom.errors import ConfigError
from noiseloom.runs import Recipe, Run, shipped_recipes
from noiseloom.training.loop import Started

OpenKeys = Callable[[str], str]
SHORT = ("training.steps=2", "training.batch_size=4")
NAMES = [name for name, _ in shipped_recipes()]


NEEDED = {"task.autoencoder.run": "mnist-autoencoder"}  # the recipe whose run another one needs


@pytest.fixture(scope="module")
def open_keys(digit_files: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenKeys:
    """What stands for a key that a recipe may leave open: the data's path, or another run's."""

    def value(key: str) -> str:
        if key == "data.path":
            return str(digit_files)
        recipe = Recipe.load(NEEDED[key], [f"data.path={digit_files}", *SHORT])
        run = Run.create(recipe, tmp_path_factory.mktemp("needed") / "run")
        run.train(evaluate=False)
        return str(run.folder)

    return cache(value)


def load(name: str, open_keys: OpenKeys, *overrides: str) -> Recipe:
    """The recipe as shipped, with what it leaves open."""
    try:
        return Recipe.load(name, overrides)
    except ConfigError as error:
        missing = [problem.key for problem in error.problems]
        if not set(missing) <= {"data.path", *NEEDED}:
            raise
        return Recipe.load(name, [*(f"{key}={open_keys(key)}" for key in missing), *overrides])


@pytest.mark.parametrize("name", NAMES)
def test_validates_and_comes_back_from_its_own_yaml(
    name: str, open_keys: OpenKeys, tmp_path: Path
) -> None:
    recipe = load(name, open_keys)
    assert recipe.name == name
    assert parse(Recipe, from_mapping(to_mapping(recipe))) == recipe
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(tmp_path / "again.yaml") == recipe


@pytest.mark.parametrize(("name", "head"), shipped_recipes())
def test_is_headed_by_command_machine_time_and_figure(name: str, head: list[str]) -> None:
    text = "\n".join(head)
    assert f"noiseloom train {name}" in text
    for word in ("cores", "min", "expect"):
        assert word in text.lower(), f"{name}.yaml does not say {word}"


@pytest.mark.parametrize("name", NAMES)
def test_runs_two_steps_and_answers(name: str, open_keys: OpenKeys, tmp_path: Path) -> None:
    draws = load(name, open_keys).task.answers == "items"
    recipe = load(name, open_keys, *SHORT, *(["task.sampler.steps=2"] if draws else []))
    seen = []
    run = Run.create(recipe, tmp_path / "run")
    summary = run.train(evaluate=False, on_event=seen.append)
    assert summary["steps"] == 2
    assert any(isinstance(event, Started) for event in seen)
    if draws:
        assert len(run.sample(num=3, steps=2).items) == 3
        files = ["samples/final.png", "samples/denoising.gif"]
    elif recipe.task.answers == "reconstructions":
        assert len(run.reconstruct(run.open_data().reference.items[:3]).items) == 3
        files = ["samples/reconstructions.png"]
    else:
        assert len(run.predict(run.open_data().reference.items[:3]).names) == 3
        files = ["samples/predictions.png"]
    for file in ("recipe.yaml", "metrics.jsonl", *files):
        assert (run.folder / file).is_file(), file


@pytest.mark.parametrize("name", RECIPES)
def test_suggestions_know_the_network_of_the_recipe(name: str, open_keys: OpenKeys) -> None:
    network, shape = load(name, open_keys).network, RECIPES[name]
    assert (network.patch, network.width, network.depth) == (shape.patch, shape.width, shape.depth)
