"""What every task must do, whichever are added: its loss falls on a tiny set."""

import numpy as np
import pytest
import torch

from noiseloom.data.digits import Config as Digits
from noiseloom.menu import member, words
from noiseloom.networks.autoencoder import Config as Autoencoder
from noiseloom.networks.convolutional_classifier import Config as Classifier
from noiseloom.networks.mlp import Config as Mlp
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import fixed
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW
from noiseloom.training.precision import Precision

PACKAGE = "noiseloom.tasks"
NETWORKS = {
    "items": Mlp(width=64, depth=2),
    "classes": Classifier(width=4, features=16),
    "reconstructions": Autoencoder(channels=8, downsample=2),
}


def train(word: str, precision: Precision, steps: int) -> list[float]:
    dataset = Digits().open()
    config = member(PACKAGE, word).Config()
    network = NETWORKS[config.answers]
    with fixed(0, "weights"):
        task = config.build(network, dataset.form, measure_statistics(dataset), {})
    plan = TrainingConfig(steps=steps, batch_size=32, optimizer=AdamW(learning_rate=2e-3))
    training = Training(plan, task, dataset.train, precision, steps)
    return [progress.loss for progress in training.run()]


@pytest.mark.parametrize("word", words(PACKAGE))
def test_the_loss_falls(word: str) -> None:
    losses = train(word, "float32", 120)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])


@pytest.mark.parametrize("word", words(PACKAGE))
def test_trains_in_bfloat16_without_a_warning(word: str) -> None:
    assert np.isfinite(train(word, "bfloat16", 2)).all()


def test_statistics_are_those_of_the_data() -> None:
    dataset = Digits().open()
    x0 = dataset.to_model(dataset.train.items)
    statistics = measure_statistics(dataset)
    torch.testing.assert_close(statistics.mean, x0.mean(dim=0), rtol=0, atol=1e-6)
    assert statistics.std == pytest.approx(float((x0 - x0.mean(dim=0)).square().mean().sqrt()))
