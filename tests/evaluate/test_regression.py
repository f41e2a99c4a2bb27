import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge

from noiseloom.data.dataset import TextDataset
from noiseloom.data.rows import Rows, open_rows
from noiseloom.data.series import Config as Series
from noiseloom.errors import MachineError
from noiseloom.evaluate.correlation import MEASURES, figures, pearson, ranks, rmse, spearman
from noiseloom.evaluate.pair_features import PairFeatures
from noiseloom.evaluate.regression import Config, estimates_of
from noiseloom.evaluate.ridge import STRENGTHS, ridge


def quiet(stage, share):
    pass


def numbers(n, ties, seed=0):
    random = np.random.default_rng(seed)
    truth = random.normal(3, 2, n)
    estimate = 0.5 * truth + random.normal(0, 1, n)
    return (truth.round(), estimate.round()) if ties else (truth, estimate)


# Correlation -------------------------------------------------------------------------------------


def test_by_hand():
    truth, estimate = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 2.0, 7.0])
    assert rmse(truth, estimate) == pytest.approx(np.sqrt(10 / 4))
    assert pearson(truth, estimate) == pytest.approx(9 / np.sqrt(5 * 22))
    assert ranks(estimate).tolist() == [1, 2.5, 2.5, 4]
    assert spearman(truth, estimate) == pytest.approx(4.5 / np.sqrt(5 * 4.5))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [2, 3, 50, 1000])
def test_correlations_are_scipys(n, ties):
    truth, estimate = numbers(n, ties)
    if truth.std() == 0 or estimate.std() == 0:
        pytest.skip("not defined")
    assert pearson(truth, estimate) == pytest.approx(pearsonr(truth, estimate)[0], abs=1e-12)
    assert spearman(truth, estimate) == pytest.approx(spearmanr(truth, estimate)[0], abs=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9, -1e-9])
def test_numbers_that_never_change_correlate_with_nothing(constant):
    truth, _ = numbers(1000, False)
    same = np.full(1000, constant)
    for measure in (pearson, spearman):
        assert measure(truth, same) == measure(same, truth) == 0
    assert pearson(truth * 1e-12, truth) == pytest.approx(1)  # small is not constant
    assert pearson(truth + 1e6, truth) == pytest.approx(1)


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = dict.fromkeys(MEASURES, 0)
    true = {"rmse": np.sqrt((0.5 * 2) ** 2 + 1.5**2 + 1), "pearson": 0.5**0.5}
    for seed in range(40):
        truth, estimate = numbers(100, False, seed)
        found = figures(truth, estimate, 60, np.random.default_rng(seed))
        assert set(found.intervals) == set(found.metrics) == set(MEASURES)
        for name, value in true.items():
            low, high = found.intervals[name]
            inside[name] += low < value < high
    assert all(inside[name] >= 33 for name in true)  # 95 % of 40 is 38


def test_intervals_stay_where_figures_can_be():
    truth = np.arange(10.0)
    found = figures(truth, truth, 50, np.random.default_rng(0))
    assert found.metrics == {"rmse": 0, "pearson": pytest.approx(1), "spearman": pytest.approx(1)}
    assert found.intervals["rmse"][0] >= 0 and found.intervals["pearson"][1] <= 1


# Ridge -------------------------------------------------------------------------------------------


def test_of_series_it_is_scikit_learns_on_all_numbers(tmp_path):
    dataset = Series(num=80, steps=8, labels="numbers", cache=str(tmp_path)).open()
    found, how = ridge(dataset, quiet)
    train, held = (
        dataset.to_model(split.items).flatten(1).double().numpy()
        for split in (dataset.train, dataset.reference)
    )
    assert how["strength"] in STRENGTHS and how["items"] == len(dataset.train)
    expected = Ridge(alpha=how["strength"]).fit(train, dataset.train.labels).predict(held)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    again, same = ridge(dataset, quiet)
    assert again.tolist() == found.tolist() and same == how  # kept


def pairs(tmp_path: Path, n: int) -> TextDataset:
    """Pairs of which the number is how many of six words they share."""
    random = np.random.default_rng(0)
    words = np.array([f"word{one}" for one in range(200)])

    def rows(n):
        drawn = [random.permutation(200) for _ in range(n)]
        shared = random.integers(0, 7, n)
        both = [
            (" ".join(words[a[:6]]), " ".join(words[[*a[:k], *a[6 : 12 - k]]]))
            for a, k in zip(drawn, shared, strict=True)
        ]
        return both, shared.astype(np.float32)

    (train, labels), (held, held_labels) = rows(n), rows(n // 4)
    return open_rows(
        lambda: Rows(train, held, labels, held_labels),
        facts={"n": n},
        source="pairs",
        columns=("a", "b"),
        tokenizer="bytes",
        vocabulary=256,
        context=64,
        cache=str(tmp_path),
        progress=None,
    )


def test_of_pairs_it_reads_what_they_share(tmp_path):
    dataset = pairs(tmp_path, 400)
    found, _ = ridge(dataset, quiet)
    assert pearson(np.asarray(dataset.reference.labels, np.float64), found) > 0.97


def test_what_two_texts_share_by_hand():
    features = PairFeatures([("the cat sat", "the dog sat"), ("a b", "a b"), ("x", "y z")])
    _, shared = features._read([("the cat sat", "the dog sat"), ("a b", "a b"), ("x", "y z")])
    # words and pairs of them: {the cat sat the_cat cat_sat}, {the dog sat the_dog dog_sat}
    np.testing.assert_allclose(shared[0, 1:4], [2 / 8, 2 / 5, 0])
    np.testing.assert_allclose(shared[1, :4], [1, 1, 1, 0])
    np.testing.assert_allclose(shared[2, :4], [0, 0, 0, 2 / 4])


# The evaluation ----------------------------------------------------------------------------------


class Told:
    """Estimates of held-out items that are known before."""

    def __init__(self, answers):
        self.answers = torch.tensor(answers, dtype=torch.float32)
        self.asked = 0

    def estimate(self, items):
        self.asked += len(items)
        return self.answers[self.asked - len(items) : self.asked]


def test_figures_stand_beside_the_baselines(tmp_path):
    dataset = Series(num=700, layout="long", steps=8, ahead=3, cache=str(tmp_path)).open()
    truth = np.asarray(dataset.reference.labels, np.float64)
    result = Config(bootstrap=20).measure(
        dataset, Told(truth + 0.1), seed=0, protocol={"weights": "ema"}
    )
    assert result["metrics"]["rmse"] == pytest.approx(0.1, rel=1e-4)
    assert result["metrics"]["pearson"] == pytest.approx(1)
    assert {"baseline_rmse", "baseline_pearson", "baseline_spearman"} < set(result["metrics"])
    assert list(result["baselines"]) == [
        "ridge regression",
        "last value",
        "mean of the training labels",
    ]
    last = result["baselines"]["last value"]["metrics"]["rmse"]
    assert last == pytest.approx(rmse(truth, dataset.reference.items[:, -1, 0]))
    assert result["metrics"]["baseline_rmse"] < last
    assert result["baselines"]["mean of the training labels"]["metrics"]["pearson"] == 0
    assert result["protocol"]["weights"] == "ema"
    assert result["protocol"]["held_out"] == len(truth)
    assert result["checks"]["residuals"]["mean"] == pytest.approx(0.1, rel=1e-4)
    assert len(result["checks"]["points"]["truth"]) == len(truth)
    assert "examples" not in result["checks"]
    json.dumps(result, allow_nan=False)


def test_of_texts_there_are_examples(tmp_path):
    dataset = pairs(tmp_path, 80)
    answers = [1.23456] * len(dataset.reference)
    result = Config(bootstrap=20).measure(dataset, Told(answers), seed=0, protocol={})
    examples = result["checks"]["examples"]
    expected = [float(one["expected"]) for one in examples]
    assert expected == sorted(expected) and expected[-1] == dataset.reference.labels.max()
    assert {one["output"] for one in examples} == {"1.23"}
    assert all(" | " in one["input"] for one in examples)
    assert result["metrics"]["pearson"] == 0
    json.dumps(result, allow_nan=False)


def test_numbers_that_are_not_finite_are_no_figures():
    items = np.zeros((1200, 4, 1))
    with pytest.raises(MachineError, match="not finite for 2 of 1200"):
        estimates_of(Told([float("nan"), float("inf"), *[0.0] * 1198]), items)
