"""What every task must do, whichever are added: its loss falls on a tiny set."""

from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.digits import Config as Digits
from noiseloom.menu import member, words
from noiseloom.networks.autoencoder import Config as Autoencoder
from noiseloom.networks.convolutional_classifier import Config as Classifier
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import fixed
from noiseloom.tasks import Prepares, Task
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW
from noiseloom.training.precision import Precision

PACKAGE = "noiseloom.tasks"
NETWORKS = {
    "items": Mlp(width=64, depth=2),
    "classes": Classifier(width=4, features=16),
    "reconstructions": Autoencoder(channels=8, downsample=2),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tasks keep what they make once."""
    return tmp_path_factory.mktemp("prepared")


def build(word: str, folder: Path) -> Task:
    """The task of a config as it is; where it needs another run, one that draws is its teacher."""
    dataset, config_class = Digits().open(), member(PACKAGE, word).Config
    needed = [
        field.name
        for field in fields(config_class)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    config = config_class(**{name: RunReference(run="another") for name in needed})
    with fixed(0, "weights"):
        task: Task = config.build(
            NETWORKS[config.answers],
            dataset.form,
            measure_statistics(dataset),
            {name: drawing_task() for name in needed},
        )
    if isinstance(task, Prepares):
        task.prepare(folder, lambda what, done, total: None)
    return task


@cache
def drawing_task() -> Task:
    task = build("unconditional-image-generation", Path())
    learn(task, "float32", 120)
    task.model.requires_grad_(False)
    return task


def learn(task: Task, precision: Precision, steps: int) -> list[float]:
    plan = TrainingConfig(steps=steps, batch_size=32, optimizer=AdamW(learning_rate=2e-3))
    training = Training(plan, task, Digits().open().train, precision, steps)
    return [progress.loss for progress in training.run()]


@pytest.mark.parametrize("word", words(PACKAGE))
def test_the_loss_falls(word: str, prepared: Path) -> None:
    losses = learn(build(word, prepared), "float32", 120)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])


@pytest.mark.parametrize("word", words(PACKAGE))
def test_trains_in_bfloat16_without_a_warning(word: str, prepared: Path) -> None:
    assert np.isfinite(learn(build(word, prepared), "bfloat16", 2)).all()


def test_statistics_are_those_of_the_data() -> None:
    dataset = Digits().open()
    x0 = dataset.to_model(dataset.train.items)
    statistics = measure_statistics(dataset)
    torch.testing.assert_close(statistics.mean, x0.mean(dim=0), rtol=0, atol=1e-6)
    assert statistics.std == pytest.approx(float((x0 - x0.mean(dim=0)).square().mean().sqrt()))
