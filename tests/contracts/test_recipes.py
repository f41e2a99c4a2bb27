"""What every shipped recipe must do, whichever are added."""

from pathlib import Path

import pytest

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.data.suggest import RECIPES
from noiseloom.errors import ConfigError
from noiseloom.runs import Recipe, Run, shipped_recipes
from noiseloom.training.loop import Started

NAMES = [name for name, _ in shipped_recipes()]


def load(name: str, digit_files: Path, *overrides: str) -> Recipe:
    """The recipe as shipped; the data's path is the only thing it may leave open."""
    try:
        return Recipe.load(name, overrides)
    except ConfigError as error:
        if [problem.key for problem in error.problems] != ["data.path"]:
            raise
        return Recipe.load(name, [f"data.path={digit_files}", *overrides])


@pytest.mark.parametrize("name", NAMES)
def test_validates_and_comes_back_from_its_own_yaml(
    name: str, digit_files: Path, tmp_path: Path
) -> None:
    recipe = load(name, digit_files)
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
def test_runs_two_steps_and_answers(name: str, digit_files: Path, tmp_path: Path) -> None:
    short = ["training.steps=2", "training.batch_size=4"]
    draws = load(name, digit_files).task.answers == "items"
    recipe = load(name, digit_files, *short, *(["task.sampler.steps=2"] if draws else []))
    seen = []
    run = Run.create(recipe, tmp_path / "run")
    summary = run.train(evaluate=False, on_event=seen.append)
    assert summary["steps"] == 2
    assert any(isinstance(event, Started) for event in seen)
    if draws:
        assert len(run.sample(num=3, steps=2).items) == 3
        files = ["samples/final.png", "samples/denoising.gif"]
    else:
        assert len(run.predict(run.open_data().reference.items[:3]).names) == 3
        files = ["samples/predictions.png"]
    for file in ("recipe.yaml", "metrics.jsonl", *files):
        assert (run.folder / file).is_file(), file


@pytest.mark.parametrize("name", RECIPES)
def test_suggestions_know_the_network_of_the_recipe(name: str, digit_files: Path) -> None:
    network, shape = load(name, digit_files).network, RECIPES[name]
    assert (network.patch, network.width, network.depth) == (shape.patch, shape.width, shape.depth)
