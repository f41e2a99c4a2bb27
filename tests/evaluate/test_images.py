import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from noiseloom.errors import DataError, InputError
from noiseloom.evaluate.images import Config
from noiseloom.evaluate.self_check import blur

KEYS = {
    "frechet_distance",
    "frechet_distance_extrapolated",
    "kernel_distance",
    "precision",
    "recall",
    "nearest_train_ratio",
    "label_agreement",
}


@pytest.fixture(scope="module")
def of_new_images(dataset, quick, shapes):
    items, labels = shapes(100, 9)
    return quick.measure(dataset, items, labels, seed=0, protocol={"weights": "ema"})


def test_says_all_it_should(of_new_images):
    found = of_new_images
    assert set(found) == {
        "metrics",
        "floor",
        "intervals",
        "floor_intervals",
        "protocol",
        "checks",
    }
    assert set(found["metrics"]) == set(found["floor"]) == KEYS
    assert set(found["intervals"]) == KEYS - {"frechet_distance_extrapolated"}
    assert found["protocol"]["weights"] == "ema"
    assert found["protocol"]["num"] == 100
    assert found["protocol"]["reference"] == 150
    assert found["protocol"]["floor_draws"] == 6
    assert found["protocol"]["features"]["kind"] == "classifier"
    assert found["protocol"]["features"]["accuracy"] > 0.95
    assert found["checks"]["informative"] is True
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_new_real_images_score_about_the_floor(of_new_images):
    metrics, floor = of_new_images["metrics"], of_new_images["floor"]
    assert metrics["frechet_distance"] < 1.5 * floor["frechet_distance"]
    assert metrics["precision"] > 0.85 * floor["precision"]
    assert metrics["recall"] > 0.85 * floor["recall"]
    assert metrics["label_agreement"] > 0.95
    assert metrics["nearest_train_ratio"] == pytest.approx(1, abs=0.15)
    assert not of_new_images["checks"]["memorisation"]["alarm"]
    for name, (low, high) in of_new_images["intervals"].items():
        assert low <= metrics[name] <= high


def test_same_call_same_figures(dataset, quick, shapes, of_new_images):
    items, labels = shapes(100, 9)
    before = torch.get_rng_state()
    again = quick.measure(dataset, items, labels, seed=0, protocol={"weights": "ema"})
    assert again == of_new_images
    assert torch.equal(torch.get_rng_state(), before)


def test_blurred_images_score_worse(dataset, quick, shapes, of_new_images):
    items, labels = shapes(100, 9)
    spoiled = dataset.to_items(blur(dataset.to_model(items), torch.Generator()))
    found = quick.measure(dataset, spoiled, labels, seed=0, protocol={})
    clean = of_new_images["metrics"]
    assert found["metrics"]["frechet_distance"] > 2 * clean["frechet_distance"]
    assert found["metrics"]["kernel_distance"] > clean["kernel_distance"]


def test_wrong_labels_do_not_agree(dataset, quick, shapes):
    items, labels = shapes(100, 9)
    found = quick.measure(dataset, items, (labels + 1) % 3, seed=0, protocol={})
    assert found["metrics"]["label_agreement"] < 0.05
    assert found["checks"]["label_agreement_by_class"].keys() == {"disc", "ring", "cross"}


def test_training_images_raise_the_alarm(dataset, quick):
    split = dataset.train
    found = quick.measure(dataset, split.items[:100], split.labels[:100], seed=0, protocol={})
    assert found["metrics"]["nearest_train_ratio"] == 0
    assert found["checks"]["memorisation"]["alarm"]
    assert found["checks"]["memorisation"]["near_copies"] == 100


def test_without_labels_there_is_no_agreement(unlabelled, quick, shapes):
    items, _ = shapes(100, 9)
    found = quick.measure(unlabelled, items, None, seed=0, protocol={})
    assert set(found["metrics"]) == KEYS - {"label_agreement"}
    assert set(found["floor"]) == set(found["metrics"])
    assert found["protocol"]["features"]["accuracy"] is None


def test_mirrored_training_images_raise_the_alarm_where_training_mirrors(dataset, quick):
    copies, labels = dataset.train.items[:100, :, ::-1], dataset.train.labels[:100]
    for flip in (True, False):
        seen = replace(dataset, flip=flip)
        found = quick.measure(seen, copies, labels, seed=0, protocol={})
        assert found["protocol"]["training_images_mirrored_too"] is flip
        assert (found["metrics"]["nearest_train_ratio"] == 0) is flip
        assert found["checks"]["memorisation"]["alarm"] or not flip


def test_no_more_samples_than_training_images(tmp_path, build_dataset, shapes):
    small = build_dataset(tmp_path, train=40, reference=20)
    items, labels = shapes(100, 9)
    config = Config(draws=6, bootstrap=20, feature_images=300)
    found = config.measure(small, items, labels, seed=0, protocol={"num": 100})
    assert found["protocol"]["num"] == 40
    assert found["protocol"]["floor_draws"] == 1
    assert "frechet_distance" not in found["floor_intervals"]


def test_too_little_of_either(tmp_path, build_dataset, dataset, shapes):
    items, labels = shapes(100, 9)
    with pytest.raises(DataError, match="an evaluation needs 10 of each"):
        Config().measure(build_dataset(tmp_path, reference=6), items, labels, seed=0, protocol={})
    with pytest.raises(InputError, match="5 samples were given"):
        Config().measure(dataset, items[:5], labels[:5], seed=0, protocol={})


def test_colour_and_another_size(tmp_path, build_dataset, shapes):
    small = build_dataset(tmp_path, train=60, reference=30, channels=3, side=20)
    items, labels = shapes(40, 9, 3, 20)
    config = Config(draws=5, bootstrap=20, feature_images=300)
    assert config.measure(small, items, labels, seed=0, protocol={})["protocol"]["num"] == 40


def test_labels_are_asked_for_as_the_reference_has_them(dataset, unlabelled):
    labels = Config().labels(dataset, 99)
    assert np.bincount(labels).tolist() == [33, 33, 33]
    assert np.array_equal(labels, Config().labels(dataset, 99))
    assert not np.array_equal(labels, np.sort(labels))
    assert Config().labels(unlabelled, 99) is None


def test_rare_classes_are_asked_for_rarely(tmp_path, build_dataset):
    dataset = build_dataset(tmp_path)
    dataset.reference.labels[:] = 0
    dataset.reference.labels[:15] = 2
    assert np.bincount(Config().labels(dataset, 1000), minlength=3).tolist() == [900, 0, 100]


def test_progress_is_told(dataset, quick, shapes):
    items, labels = shapes(100, 9)
    told = []
    quick.measure(
        dataset, items, labels, seed=0, protocol={}, progress=lambda *step: told.append(step)
    )
    assert {"measuring real images", "measuring samples", "checking the features"} <= {
        stage for stage, _ in told
    }
    assert all(0 <= share <= 1 for _, share in told)
