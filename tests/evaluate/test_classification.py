import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score

from noiseloom.data.dataset import Split
from noiseloom.evaluate.baselines import STRENGTHS, TRIED, _choose_strength, regression
from noiseloom.evaluate.calibration import calibration_error, calibration_interval, reliability
from noiseloom.evaluate.classification import Config
from noiseloom.evaluate.confusion import (
    confusion,
    macro_f1,
    macro_f1_interval,
    recalls,
    save_picture,
)


def generator():
    return torch.Generator().manual_seed(0)


def ignore(stage, share):
    pass


# Calibration -------------------------------------------------------------------------------------


def test_calibration_error_by_hand():
    # four bins: 2 items at 0.6 of which 1 is right, 4 at 0.9 of which 3, 2 at 0.2 of which none
    confidence = torch.tensor([0.6, 0.6, 0.9, 0.9, 0.9, 0.9, 0.2, 0.2])
    right = torch.tensor([1, 0, 1, 1, 1, 0, 0, 0], dtype=torch.bool)
    expected = (2 * 0.1 + 4 * 0.15 + 2 * 0.2) / 8
    assert calibration_error(confidence, right, bins=4) == pytest.approx(expected)
    table = reliability(confidence, right, bins=4)
    assert [row["items"] for row in table] == [2, 2, 4]
    assert [row["accuracy"] for row in table] == [0, 0.5, 0.75]
    assert [row["confidence"] for row in table] == pytest.approx([0.2, 0.6, 0.9])


def test_calibration_at_its_ends():
    sure = torch.ones(10)
    assert calibration_error(sure, torch.ones(10, dtype=torch.bool), bins=15) == 0
    assert calibration_error(sure, torch.zeros(10, dtype=torch.bool), bins=15) == 1
    assert calibration_error(torch.zeros(10), torch.zeros(10, dtype=torch.bool), bins=15) == 0
    # an edge belongs to the bin below it: 0.5 and 0.4 share a bin of four, and cancel out
    confidence, right = torch.tensor([0.5, 0.4]), torch.tensor([True, False])
    assert calibration_error(confidence, right, bins=2) == pytest.approx(0.05)


def test_calibration_interval_holds_the_truth():
    # right as often as sure: the true error is 0, and no resample may hide that it is near
    chance = generator()
    confidence = torch.rand(2_000, generator=chance)
    right = torch.rand(2_000, generator=chance) < confidence
    error = calibration_error(confidence, right, bins=10)
    low, high = calibration_interval(confidence, right, 10, 200, chance)
    assert 0 <= low < error < high < 0.06


# Confusion ---------------------------------------------------------------------------------------


def test_confusion_by_hand():
    truth, read = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    assert confusion(truth, read, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    counts = confusion(truth, read, 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    # F1: 2/4, 2/3, 4/5; the fourth class neither occurs nor is read
    assert macro_f1(counts) == pytest.approx((1 / 2 + 2 / 3 + 4 / 5) / 3)
    assert recalls(counts, "abcd") == {"a": 0.5, "b": 1.0, "c": pytest.approx(2 / 3)}


def test_confusion_and_macro_f1_are_scikit_learns():
    chance = np.random.default_rng(0)
    truth, read = chance.integers(0, 7, 500), chance.integers(0, 7, 500)
    assert np.array_equal(confusion(truth, read, 7), confusion_matrix(truth, read))
    ours = macro_f1(confusion(truth, read, 7))
    assert ours == pytest.approx(f1_score(truth, read, average="macro"))


def test_drawing_the_matrix_is_drawing_the_items():
    chance = np.random.default_rng(0)
    truth = chance.integers(0, 3, 200)
    read = np.where(chance.random(200) < 0.8, truth, chance.integers(0, 3, 200))
    low, high = macro_f1_interval(confusion(truth, read, 3), 4_000, chance)
    values = []
    for _ in range(4_000):
        drawn = chance.integers(0, 200, 200)
        values.append(macro_f1(confusion(truth[drawn], read[drawn], 3)))
    values = np.array(values) + macro_f1(confusion(truth, read, 3)) - np.mean(values)
    assert [low, high] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist(), abs=0.006)


@pytest.mark.parametrize("classes", [2, 60])
def test_the_picture_of_a_matrix(classes, tmp_path):
    names = [f"class {label}" for label in range(classes)]
    save_picture(np.eye(classes, dtype=np.int64), names, tmp_path / "confusion.png")
    with Image.open(tmp_path / "confusion.png") as picture:
        assert 200 < picture.width == picture.height < 2_000


# Together ----------------------------------------------------------------------------------------


def measure(dataset, logits, **settings):
    return Config(bootstrap=50, **settings).measure(
        dataset, logits, seed=3, protocol={"weights": "ema"}
    )


def test_perfect_predictions(dataset):
    truth = torch.from_numpy(dataset.reference.labels)
    found = measure(dataset, 50.0 * torch.nn.functional.one_hot(truth, 3))
    own = {"accuracy": 1, "macro_f1": 1, "expected_calibration_error": 0}
    regressed = found["baselines"]["logistic regression"]["metrics"]
    assert found["metrics"] == own | {f"baseline_{key}": value for key, value in regressed.items()}
    assert found["intervals"]["accuracy"][0] > 0.97
    assert found["checks"]["confusion"] == [[50, 0, 0], [0, 50, 0], [0, 0, 50]]
    assert set(found["checks"]["recall_by_class"]) == set(dataset.class_names)
    assert json.loads(json.dumps(found)) == found
    for one in (found, *found["baselines"].values()):
        assert set(one["intervals"]) == set(own)
        for name, (low, high) in one["intervals"].items():
            assert low <= one["metrics"][name] <= high, name


def test_the_baselines_are_what_they_are_said_to_be(dataset):
    found = measure(dataset, torch.zeros(150, 3))
    frequent = found["baselines"]["most frequent class"]["metrics"]
    assert frequent["accuracy"] == pytest.approx(1 / 3)
    assert frequent["macro_f1"] == pytest.approx(1 / 6)  # F1 of 2 * 50 / (50 + 150), 0 and 0
    assert frequent["expected_calibration_error"] == pytest.approx(0, abs=1e-9)
    # in pixels the shapes are hard to tell apart, but not as hard as by chance
    regressed = found["baselines"]["logistic regression"]["metrics"]["accuracy"]
    assert 0.5 < regressed < 1
    protocol = found["protocol"]
    assert protocol["weights"] == "ema" and protocol["evaluation_seed"] == 3
    assert (protocol["held_out"], protocol["training_items"]) == (150, 300)
    assert protocol["baseline"]["items"] == 300 and protocol["baseline"]["converged"] is True


def test_regression_is_learned_once_and_scores_as_scikit_learns(dataset, monkeypatch):
    from sklearn.linear_model import LogisticRegression

    probabilities, how = regression(dataset, ignore)
    x, y = (dataset.to_model(one.items).flatten(1).numpy() for one in splits(dataset))
    model = LogisticRegression(C=1 / how["strength"], max_iter=200)
    model.fit((x - x.mean(0)) / x.std(), dataset.train.labels)
    expected = model.predict_proba((y - x.mean(0)) / x.std())
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    monkeypatch.setattr(LogisticRegression, "fit", lambda *_: pytest.fail("it was kept"))
    assert regression(dataset, ignore)[0].equal(probabilities)


def test_the_penalty_is_the_one_that_suits_items_not_learned_from():
    # a faint mark in each of 200 numbers is drowned where weights are let grow
    chance = np.random.default_rng(0)
    labels = np.arange(500) % 2
    noise = chance.standard_normal((500, 200))

    def chosen(x, labels):
        return _choose_strength(x, labels, STRENGTHS, TRIED)

    assert chosen(noise + 4 * (labels[:, None] - 0.5), labels) == STRENGTHS[0]
    drowned = noise + 0.2 * (labels[:, None] - 0.5)
    assert chosen(drowned, labels) > STRENGTHS[0]
    assert chosen(noise, np.zeros(500, dtype=int)) == STRENGTHS[0]


def splits(dataset):
    return dataset.train, dataset.reference


def test_regression_learns_from_as_many_items_as_it_may(dataset, monkeypatch, tmp_path):
    monkeypatch.setattr("noiseloom.evaluate.baselines.MOST_NUMBERS", 90 * 16 * 16)
    monkeypatch.setattr("noiseloom.evaluate.baselines.MOST_ITERATIONS", 2)
    _, how = regression(dataclasses.replace(dataset, cache=tmp_path), ignore)
    assert how["items"] == 90
    assert (how["iterations"], how["converged"]) == (2, False)


def test_a_class_that_is_not_trained_on_is_never_read(dataset, tmp_path):
    kept = dataset.train.labels != 1
    train = Split(dataset.train.items[kept], dataset.train.labels[kept])
    lacking = dataclasses.replace(dataset, train=train, cache=tmp_path)
    probabilities, _ = regression(lacking, ignore)
    assert probabilities.shape == (150, 3)
    assert (probabilities[:, 1] == 0).all()
    found = measure(lacking, torch.zeros(150, 3))
    assert found["baselines"]["most frequent class"]["metrics"]["accuracy"] == pytest.approx(1 / 3)
