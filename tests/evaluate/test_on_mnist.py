"""The figures on real digits: what is said of real, damaged and copied ones must be right."""

import numpy as np
import pytest
import torch

from noiseloom.data.images import Config as Images
from noiseloom.evaluate.images import Config
from noiseloom.evaluate.self_check import blur

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["auto", "none"])
def mnist(request, shared_data):
    return Images(path=str(shared_data / "mnist"), labels=request.param).open()


@pytest.fixture(scope="module")
def chosen():
    return np.sort(np.random.default_rng(0).permutation(10_000)[:1_000])


def measure(dataset, items, labels):
    return Config().measure(dataset, items, labels, seed=0, protocol={})


def test_real_digits_score_the_floor(mnist, chosen):
    train = mnist.train
    found = measure(mnist, train.items[chosen], train.labels[chosen] if mnist.class_names else None)
    metrics, floor = found["metrics"], found["floor"]
    assert metrics["frechet_distance"] == pytest.approx(floor["frechet_distance"], rel=0.5)
    for name in ("precision", "recall"):
        assert metrics[name] == pytest.approx(floor[name], abs=0.04)
    assert found["checks"]["informative"] is True
    assert found["checks"]["memorisation"]["alarm"] is True  # they are training images
    if mnist.class_names:
        assert found["protocol"]["features"]["accuracy"] > 0.975


@pytest.mark.parametrize("fault", ["blur", "noise", "dropped", "few", "copies"])
def test_faults_are_seen(mnist, chosen, fault):
    chance = np.random.default_rng(1)
    items = np.array(mnist.reference.items[chosen])
    if fault == "blur":
        items = mnist.to_items(blur(mnist.to_model(items), torch.Generator()))
    elif fault == "noise":
        items = (items + chance.normal(0, 25, items.shape)).round().clip(0, 255).astype(np.uint8)
    elif fault == "dropped":
        dark = mnist.reference.items.mean(axis=(1, 2, 3)).argsort()[:8_000]  # no bold digits
        items = mnist.reference.items[np.sort(chance.choice(dark, 1_000, replace=False))]
    elif fault == "few":
        items = np.resize(items[:200], items.shape)
    else:
        items[:50] = mnist.train.items[chosen[:50]]
    found = measure(mnist, items, None)
    metrics, floor = found["metrics"], found["floor"]
    if fault == "copies":
        assert found["checks"]["memorisation"]["alarm"]
        assert found["checks"]["memorisation"]["near_copies"] >= 45
        return
    assert metrics["frechet_distance"] > found["floor_intervals"]["frechet_distance"][1]
    assert not found["checks"]["memorisation"]["alarm"]
    if fault == "few":
        assert metrics["recall"] < 0.5 * floor["recall"]
