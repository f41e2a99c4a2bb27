"""A base, its refiner and a stranger as real, tiny runs: samples, the command, and refusals."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from noiseloom import cli
from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run

TINY = (
    "network.depth=1",
    "network.width=24",
    "network.heads=2",
    "training.batch_size=8",
    "training.steps=4",
    "evaluation.feature_images=100",
    "evaluation.num=20",
    "evaluation.draws=1",
    "evaluation.bootstrap=20",
)

LIKE_BASE = (
    "data=digits",
    "network.patch=2",
    "network.border=1",
    "network.label_positions=false",
)
SAMPLER = "task.sampler.steps=3"

Trained = Callable[..., Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run of a recipe, trained once for each name."""
    folder, made = tmp_path_factory.mktemp("runs"), dict[str, Run]()

    def train(name: str, recipe: str, *overrides: str) -> Run:
        if name not in made:
            made[name] = Run.create(Recipe.load(recipe, [*TINY, *overrides]), folder / name)
            made[name].train(evaluate=False)
        return made[name]

    return train


@pytest.fixture
def base(trained: Trained) -> Run:
    return trained("base", "digits", SAMPLER)


@pytest.fixture
def refiner(trained: Trained, base: Run) -> Run:
    return trained("refiner", "refine-mnist", f"task.base.run={base.folder}", *LIKE_BASE)


@pytest.fixture
def remasker(trained: Trained, base: Run) -> Run:
    named = (f"task.base.run={base.folder}", "task.kind=remasking")
    return trained("remasker", "refine-mnist", *named, *LIKE_BASE)


def test_pixels_that_fit_least_are_drawn_anew_and_others_stay(base: Run, remasker: Run) -> None:
    refined = base.sample(num=3, steps=3, refine=remasker.folder)
    np.testing.assert_array_equal(refined.items, remasker.sample(num=3, steps=3).items)
    own = base.sample(num=3, steps=3).items
    changed = (refined.items != own).reshape(3, -1).mean(axis=1)
    assert (changed > 0).all() and (changed <= 0.2).all()  # two rounds of a tenth
    assert (remasker.folder / "samples" / "final.png").is_file()


def test_a_discriminator_learns_from_samples_that_are_drawn_once(
    base: Run, trained: Trained
) -> None:
    named = (f"task.base.run={base.folder}", "task.kind=discriminator", "task.kind.num=20")
    run = trained("discriminator", "refine-mnist", *named, "task.kind.scale=50", *LIKE_BASE)
    kept = load_file(run.folder / "own_samples.safetensors")
    assert kept["items"].dtype == torch.uint8
    labels = kept["labels"].tolist()
    assert labels == [*range(10), *range(10)]
    refined = base.sample(num=3, steps=3, refine=run.folder).items
    np.testing.assert_array_equal(refined, run.sample(num=3, steps=3).items)
    assert not np.array_equal(refined, base.sample(num=3, steps=3).items)


def test_the_refiner_draws_what_its_base_draws_with_it(base: Run, refiner: Run) -> None:
    refined = base.sample(num=5, steps=3, refine=refiner.folder, batch_size=2)
    itself = refiner.sample(num=5, steps=3)
    np.testing.assert_array_equal(refined.items, itself.items)
    assert not np.array_equal(refined.items, base.sample(num=5, steps=3).items)
    guided = base.sample(num=2, steps=3, guidance=3.0, refine=refiner.folder)
    assert not np.array_equal(guided.items, refined.items[:2])


def test_the_command_refines(
    base: Run, refiner: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "refined.npz"
    given = ["--num=3", "--steps=2", "--refine", str(refiner.folder), "--out", str(out), "--json"]
    assert cli.main(["sample", str(base.folder), *given]) == 0
    assert json.loads(capsys.readouterr().out)["num"] == 3
    images = np.load(out)["images"]
    expected = base.sample(num=3, steps=2, refine=refiner.folder).items
    np.testing.assert_array_equal(images, expected)


def test_a_refiner_is_measured_like_every_run_that_draws(refiner: Run) -> None:
    result = refiner.evaluate(steps=4)
    assert np.isfinite(result["metrics"]["frechet_distance"])
    protocol = result["protocol"]
    assert (protocol["refined_by"], protocol["refined_from"]) == ("low-noise", 0.5)
    assert protocol["refining_steps"] == 2
    assert (refiner.folder / "report.html").is_file()


def test_a_refiner_of_another_base_is_refused_in_one_sentence(
    base: Run, refiner: Run, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    other = trained("other", "digits", SAMPLER, "training.seed=1")
    with pytest.raises(InputError, match=f"was made for another base, {base.folder}"):
        other.sample(num=1, refine=refiner.folder)
    with pytest.raises(InputError, match="was made for another base"):
        base.sample(num=1, refine=refiner.folder, raw=True)
    assert cli.main(["sample", str(other.folder), "--refine", str(refiner.folder)]) == 2
    said = capsys.readouterr().err
    assert "does not fit" in said and "Traceback" not in said


def test_what_refines_nothing_is_refused(base: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which refines no samples: it was trained for another"):
        base.sample(num=1, refine=base.folder)
    with pytest.raises(InputError, match=r"--refine.run names another run: .*nothing is not a run"):
        base.sample(num=1, refine=tmp_path / "nothing")


def test_a_recipe_whose_base_is_of_another_size_is_refused(base: Run, digit_files: Path) -> None:
    given = [*TINY, f"data.path={digit_files}", f"task.base.run={base.folder}"]
    run = Run.create(Recipe.load("refine-mnist", given), base.folder.parent / "unfit")
    with pytest.raises(InputError, match=r"task.base knows items of shape \(1, 8, 8\)"):
        run.train(evaluate=False)
