"""Golden losses: a refactor shows the same losses as before it.

Where a change means to alter them, record them anew and say so in the commit:

    .venv/bin/python -m tests.golden.test_losses
"""

import json
from pathlib import Path

import pytest
import torch

from noiseloom.runs import Recipe
from noiseloom.runs.building import build_task
from noiseloom.runs.trainer import measure_statistics
from noiseloom.training.loop import Training

GOLDEN = Path(__file__).with_name("losses.json")
STEPS = 6
SHORT = [f"training.steps={STEPS}", "training.batch_size=32", "training.precision=float32"]
RUNS = {
    "digits": ["digits", *SHORT],
    "digits, AdamW, noise, uniform times, drop-out, accumulated": [
        "digits",
        *SHORT,
        "training.optimizer=adamw",
        "training.accumulate=4",
        "task.preconditioning=input",
        "task.target=v",
        "task.objective=simple",
        "task.times=uniform",
        "task.schedule=cosine",
        "network.dropout=0.1",
    ],
    "toy-2d": ["toy-2d", *SHORT],
    "digits-classifier": ["digits-classifier", *SHORT],
    "digits-classifier, through noise": [
        "digits-classifier",
        *SHORT,
        "task.noise.times=uniform",
        "task.noise.schedule=cosine",
    ],
}


def losses(recipe: Recipe) -> list[float]:
    data = recipe.data.open(lambda what, done, total: None)
    task = build_task(recipe, data.form, measure_statistics(data), "cpu")
    training = Training(recipe.training, task, data.train, "float32", total_steps=STEPS)
    return [training.advance()[0] for _ in range(STEPS)]


def run(name: str) -> list[float]:
    recipe, *overrides = RUNS[name]
    return losses(Recipe.load(recipe, overrides))


@pytest.mark.parametrize("name", RUNS)
def test_the_losses_are_those_recorded(name: str) -> None:
    # float32 sums in another order on another processor: about 1e-6 a step, and it grows
    torch.testing.assert_close(run(name), json.loads(GOLDEN.read_text())[name], rtol=2e-4, atol=0)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: run(name) for name in RUNS}, indent=1) + "\n")
