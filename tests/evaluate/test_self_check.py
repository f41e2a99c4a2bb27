import dataclasses

import pytest
import torch
from torch import nn

from noiseloom.evaluate.features import Features
from noiseloom.evaluate.frechet import FrechetDistance, moments
from noiseloom.evaluate.progress import ignore
from noiseloom.evaluate.real import Settings, measure_real
from noiseloom.evaluate.self_check import add_noise, blur, self_check
from noiseloom.networks.image_encoder import DIMENSION

SETTINGS = Settings(
    feature_images=16_000, feature_seed=0, reference_limit=10_000, pool_limit=20_000, neighbours=3
)
VIEWS = {"dataset": 16_000, "unlabelled": 48_000}  # without labels each image is seen twice over


class Chance(nn.Module):
    """Random numbers that have nothing to do with the image."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, images):
        return torch.randn(len(images), DIMENSION, generator=self.generator)


def check(dataset, real):
    frechet = FrechetDistance(moments(real.reference))
    return self_check(dataset, real, 140, frechet, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("which", ["dataset", "unlabelled"])
def test_learned_features_register_every_damage(which, request):
    dataset = request.getfixturevalue(which)
    settings = dataclasses.replace(SETTINGS, feature_images=VIEWS[which])
    found = check(dataset, measure_real(dataset, settings, 140, ignore))
    assert found["not_registered"] == []
    assert found["informative"] is True
    assert found["responses"]["blur"] > 1.1
    assert found["responses"]["noise"] > 1.1
    assert found["responses"]["dropped_class"] > 1.1
    assert found["responses"]["replayed_training_images"] < 0.5


def test_useless_features_are_called_so(dataset):
    real = measure_real(dataset, SETTINGS, 140, ignore)
    useless = Features(Chance(), None, torch.zeros(DIMENSION), 1.0)
    blind = dataclasses.replace(
        real,
        features=useless,
        reference=useless.embed_items(dataset.reference.items, dataset.to_model)[0],
        pool=useless.embed_items(dataset.train.items, dataset.to_model)[0],
    )
    found = check(dataset, blind)
    assert found["informative"] is False
    assert set(found["not_registered"]) == {"blur", "noise", "dropped_class"}


def test_features_blind_to_one_damage_are_told_which(dataset):
    class Brightness(nn.Module):
        """Sees how bright the image is, so classes and noise, but no blur."""

        def forward(self, images):
            mean = images.mean(dim=(1, 2, 3))[:, None]
            return torch.cat([mean, mean**2, torch.zeros(len(images), DIMENSION - 2)], dim=1)

    real = measure_real(dataset, SETTINGS, 140, ignore)
    dim = Features(Brightness(), None, torch.zeros(DIMENSION), 0.01)
    blind = dataclasses.replace(
        real,
        features=dim,
        reference=dim.embed_items(dataset.reference.items, dataset.to_model)[0],
        pool=dim.embed_items(dataset.train.items, dataset.to_model)[0],
    )
    assert "blur" in check(dataset, blind)["not_registered"]


def test_blur_keeps_the_mean_and_spreads_a_dot():
    dot = torch.zeros(1, 2, 33, 33)
    dot[:, :, 16, 16] = 1
    spread = blur(dot, torch.Generator())
    assert torch.allclose(spread.sum(dim=(2, 3)), torch.ones(1, 2), atol=1e-5)
    columns = spread[0, 0].sum(dim=0)
    variance = float((columns * (torch.arange(33.0) - 16) ** 2).sum())
    assert variance == pytest.approx((0.03 * 33) ** 2, rel=0.05)


def test_noise_is_a_tenth_of_the_range():
    grey = torch.zeros(1, 1, 100, 100)
    assert float(add_noise(grey, torch.Generator().manual_seed(0)).std()) == pytest.approx(
        0.2, rel=0.05
    )
