import numpy as np
import pytest
import torch

from noiseloom.evaluate import feature_learning, features
from noiseloom.evaluate.feature_learning import Budget, learn, vicreg
from noiseloom.networks.image_encoder import DIMENSION, ImageEncoder


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [4, 8, 15, 28, 32, 64, 100, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_channels(size, channels):
    encoder = ImageEncoder(channels, size, generator())
    assert encoder(torch.zeros(2, channels, size, size)).shape == (2, DIMENSION)


def test_oblong_images():
    assert ImageEncoder(1, 40, generator())(torch.zeros(2, 1, 24, 40)).shape == (2, DIMENSION)


def test_large_images_do_not_cost_without_bound():
    def positions(size):
        convolution = ImageEncoder(1, size, generator()).convolutions[0]
        return convolution(torch.zeros(1, 1, size, size)).shape[-1]

    assert [positions(size) for size in (32, 64, 128, 256)] == [16, 16, 16, 16]


@pytest.mark.parametrize("labelled", [True, False])
def test_same_seed_same_features_and_no_global_randomness(dataset, labelled):
    labels = dataset.train.labels if labelled else None
    before = torch.get_rng_state()
    learned = [
        learn(dataset.train.items, labels, dataset.to_model, Budget(600, seed))
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    seen = [one.embed_items(dataset.reference.items, dataset.to_model)[0] for one in learned]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_a_classifier_is_learned_where_there_are_labels(dataset):
    budget = Budget(8_000, 0)
    learned = learn(dataset.train.items, dataset.train.labels, dataset.to_model, budget)
    x, read = learned.embed_items(dataset.reference.items, dataset.to_model)
    assert learned.kind == "classifier"
    assert (read.numpy() == dataset.reference.labels).mean() > 0.95
    assert x.shape == (len(dataset.reference), DIMENSION)


def test_unlabelled_features_keep_like_with_like(dataset):
    learned = learn(dataset.train.items, None, dataset.to_model, Budget(8_000, 0))
    train, read = learned.embed_items(dataset.train.items, dataset.to_model)
    test, _ = learned.embed_items(dataset.reference.items, dataset.to_model)
    assert read is None
    neighbour = torch.cdist(test, train).argmin(dim=1).numpy()
    assert (dataset.train.labels[neighbour] == dataset.reference.labels).mean() > 0.9


def test_one_class_only_is_learned_without_labels(dataset):
    labels = np.zeros(len(dataset.train), dtype=np.int64)
    learned = learn(dataset.train.items, labels, dataset.to_model, Budget(300, 0))
    assert learned.kind.startswith("self-supervised")


def test_training_features_are_standardised(dataset):
    learned = learn(dataset.train.items, dataset.train.labels, dataset.to_model, Budget(600, 0))
    x, _ = learned.embed_items(dataset.train.items, dataset.to_model)
    assert torch.allclose(x.mean(dim=0), torch.zeros(DIMENSION), atol=1e-4)
    assert float(x.double().var(dim=0).mean()) == pytest.approx(1, rel=1e-4)


def test_chunks_change_nothing(dataset, monkeypatch):
    learned = learn(dataset.train.items, dataset.train.labels, dataset.to_model, Budget(300, 0))
    whole, _ = learned.embed_items(dataset.reference.items, dataset.to_model)
    monkeypatch.setattr(features, "CHUNK_PIXELS", 16 * 16 * 7)
    parts, _ = learned.embed_items(dataset.reference.items, dataset.to_model)
    assert torch.allclose(whole, parts, atol=1e-4)


@pytest.mark.parametrize(
    ("available", "size", "views", "steps"),
    [
        (10_000, 28, 1, 60_000 // 128),
        (10_000, 28, 2, 30_000 // 128),
        (50_000, 32, 1, 100_000 // 128),  # at least two epochs of small images
        (50_000, 96, 1, 50_000 // 128),  # large ones are looked at half as often
        (100, 28, 1, 100),  # at most a hundred epochs, in one batch each
    ],
)
def test_how_long_is_learned(available, size, views, steps):
    assert Budget(60_000, 0).steps(available, size, views) == steps


def test_vicreg_by_hand():
    # two features of variance 1, independent, both views the same: nothing to improve
    still = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(vicreg(still, still)) == pytest.approx(0, abs=1e-6)
    # collapsed: both hinges at 1 - sqrt(1e-4), for both views
    flat = torch.zeros(4, 2)
    assert float(vicreg(flat, flat)) == pytest.approx(25 * 2 * 0.99)
    # one feature twice over: off-diagonal covariance 4/3, twice, over 2 features, for both views
    twin = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]])
    assert float(vicreg(twin, twin)) == pytest.approx(2 * 2 * (4 / 3) ** 2 / 2)


def test_learning_rate_rises_and_falls():
    rates = [feature_learning._plan(step, 100) for step in range(100)]
    assert rates.index(max(rates)) == 14
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0)
