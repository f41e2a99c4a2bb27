"""The task of score matching: what it keeps, draws and refuses, and how it is said to go."""

import math
from pathlib import Path

import pytest

from noiseloom.errors import InputError
from noiseloom.runs import Recipe, Run
from noiseloom.tasks.score_matching import Langevin
from noiseloom.training.health import assess


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    words = ("training.steps=40", "network.width=16", "data.num=200", "task.sampler.steps=2")
    run = Run.create(Recipe.load("toy-score", words), tmp_path_factory.mktemp("runs") / "score")
    run.train(evaluate=False)
    return run


def test_it_draws_points_and_shows_no_noising(run: Run) -> None:
    pictures = {path.name for path in (run.folder / "samples").iterdir()}
    assert {"final.png", "denoising.gif", "denoising.png"} <= pictures
    assert "forward.png" not in pictures
    samples = run.sample(num=6, steps=3)
    assert samples.items.shape == (6, 2)
    assert (run.sample(num=6, steps=3).items == samples.items).all()
    assert (run.sample(num=6, steps=4).items != samples.items).any()


@pytest.mark.parametrize(
    "asked",
    [
        {"sampler": "heun"},
        {"guidance": 2.0},
        {"interval": (0.0, 0.5)},
        {"rescale": 0.5},
        {"spacing": "karras", "tolerance": 0.1},
    ],
)
def test_it_knows_one_walk(run: Run, asked: dict) -> None:
    with pytest.raises(InputError, match="Langevin's walk alone, unguided; leave --"):
        run.sample(num=2, **asked)


def test_a_walk_of_no_steps_is_refused(run: Run) -> None:
    with pytest.raises(InputError, match="steps 0 and step_size"):
        run.sample(num=2, steps=0)


def test_it_has_no_likelihood(run: Run) -> None:
    with pytest.raises(InputError, match="task 'score-matching' trains neither a denoiser"):
        run.evaluate(likelihood=True)


def test_augmented_items_are_refused(digit_files: Path, tmp_path: Path) -> None:
    images = ("data={name: images, augment: 0.1}", f"data.path={digit_files}", "evaluation=images")
    recipe = Recipe.load("toy-score", [*images, "training.steps=2"])
    with pytest.raises(InputError, match=r"Set data\.augment=0"):
        Run.create(recipe, tmp_path / "run").train(evaluate=False)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"step_size": 0.0}, {"step_size": 1.0}])
def test_impossible_walks_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="allowed is steps of"):
        Langevin(**wrong)


def lines(*held: float) -> list[dict[str, float]]:
    """metrics.jsonl of losses that may be negative, the held-out one as given."""
    noted = [{"step": 100 * i, "held_out_loss": loss} for i, loss in enumerate(held)]
    trained = [{"step": 100 * i + 1, "loss": held[min(i, len(held) - 1)]} for i in range(8)]
    return [*noted, *trained]


def test_health_understands_losses_below_zero() -> None:
    well = assess(lines(-0.5, -2.0, -3.0, -3.5))
    assert well.word == "as expected" and math.isnan(well.share)
    assert str(well) == (
        "Training goes as expected: the held-out loss has come below where it began."
    )
    assert assess(lines(0.0, 0.0, 0.0, 0.0)).word == "not learning"
    assert assess(lines(-0.5, -0.5, -0.5, -0.5, -0.5)).word == "not learning"
    falls = [{"step": 100 * i + 1, "loss": -0.5 - i} for i in range(8)]
    held = [-0.5, -2.0, -3.0, -2.4, -1.9, -1.5, -1.2]
    noted = [{"step": 100 * i, "held_out_loss": loss} for i, loss in enumerate(held)]
    over = assess([*noted, *falls])
    assert over.word == "over-fitting" and over.since == 200
    assert "has risen above its lowest" in str(over)
