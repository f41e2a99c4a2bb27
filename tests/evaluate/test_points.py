import json

import numpy as np
import pytest

from noiseloom.evaluate.points import Config

QUICK = Config(num=200, draws=6, bootstrap=40)


def clouds(count, seed, centres=(-2.0, 2.0), deviation=0.5):
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    points = np.stack([np.array(centres)[labels], np.zeros(count)], axis=1)
    return (points + deviation * chance.standard_normal((count, 2))).astype(np.float32), labels


def test_new_points_score_about_the_floor(points):
    items, labels = clouds(200, 9)
    found = QUICK.measure(points, items, labels, seed=0, protocol={"steps": 20})
    metrics, floor = found["metrics"], found["floor"]
    low, high = found["floor_intervals"]["energy_distance"]
    assert low - 0.02 < metrics["energy_distance"] < high + 0.02
    assert metrics["sliced_wasserstein"] < 2 * floor["sliced_wasserstein"]
    assert metrics["precision"] > 0.9
    assert metrics["label_agreement"] > 0.99
    assert metrics["nearest_train_ratio"] == pytest.approx(1, abs=0.2)
    assert set(metrics) == set(floor)
    assert found["protocol"]["steps"] == 20
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_displaced_points_score_worse(points):
    items, labels = clouds(200, 9, centres=(-1.0, 3.0))
    found = QUICK.measure(points, items, labels, seed=0, protocol={})
    assert found["metrics"]["energy_distance"] > 10 * abs(found["floor"]["energy_distance"])
    assert found["metrics"]["sliced_wasserstein"] == pytest.approx(2 / np.pi, abs=0.1)


def test_a_forgotten_cloud_costs_recall(points):
    items, labels = clouds(200, 9, centres=(-2.0, -2.0))
    found = QUICK.measure(points, items, labels, seed=0, protocol={})
    assert found["metrics"]["recall"] < 0.6
    assert found["metrics"]["precision"] > 0.9
    assert found["metrics"]["label_agreement"] == pytest.approx(0.5, abs=0.01)


def test_replayed_points_are_near(points):
    found = QUICK.measure(points, points.train.items[:200], None, seed=0, protocol={})
    assert found["metrics"]["nearest_train_ratio"] < 0.01
    assert "label_agreement" not in found["metrics"]
