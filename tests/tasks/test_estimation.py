from types import SimpleNamespace

import numpy as np
import pytest
import torch

from noiseloom.data import tokenizer as tokenizers
from noiseloom.data.digits import Config as Digits
from noiseloom.data.forms import Batch
from noiseloom.data.rows import Rows, open_rows, tokens_of
from noiseloom.data.series import Config as Series
from noiseloom.data.tokenizer import PAD
from noiseloom.diffusion.denoiser import Statistics
from noiseloom.networks.pair_encoder import Config as PairEncoder
from noiseloom.networks.series_encoder import Config as SeriesEncoder
from noiseloom.networks.text_encoder import Config as TextEncoder
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Estimates, Predicts, text_regression
from noiseloom.tasks import time_series_classification as classification
from noiseloom.tasks import time_series_regression as regression
from noiseloom.tasks.text_reading import small_letters

UNKNOWN = Statistics(torch.zeros(()), 1.0)
SMALL = SeriesEncoder(patch=4, width=16, depth=1, heads=2, dropout=0.0)


def build(module, dataset, network=SMALL):
    with fixed(0, "weights"):
        return module.Config().build(network, dataset.form, UNKNOWN, {})


def whole(split):
    return Batch(split.items, split.labels), Random(0, range(len(split)))


@pytest.fixture
def signal(tmp_path):
    return Series(num=900, layout="long", steps=16, ahead=4, cache=str(tmp_path)).open()


def texts(tmp_path, labels, class_names=()):
    rows = [(f"text {one}", "other text"[: 4 + one % 6]) for one in range(len(labels))]
    return open_rows(
        lambda: Rows(rows, rows[:4], labels, labels[:4], class_names),
        facts={"labels": labels.tolist()},
        source="texts",
        columns=("a", "b"),
        tokenizer="bytes",
        vocabulary=256,
        context=16,
        cache=str(tmp_path),
        progress=None,
    )


def test_a_network_that_answers_0_answers_the_mean_change_of_the_last_value(signal):
    task = build(regression, signal)
    assert isinstance(task, Estimates) and not isinstance(task, Predicts)
    found = task.estimate(signal.train.items).double().numpy()
    change = signal.train.labels - signal.train.items[:, -1, 0]
    expected = signal.train.items[:, -1, 0] + change.mean()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    losses = task.losses(*whole(signal.train), training=False).detach()
    assert float(losses.mean()) == pytest.approx(1, rel=1e-4)  # that of the mean
    error = np.square(found - signal.train.labels) / change.var()
    np.testing.assert_allclose(losses, error, rtol=2e-3, atol=1e-5)


def test_numbers_come_in_the_unit_of_the_labels(tmp_path):
    labels = np.array([1e6, 2e6, 4e6, 1e6, 3e6, 3e6, 1e6, 5e6], np.float32)
    dataset = texts(tmp_path, labels)
    network = TextEncoder(width=16, depth=1, heads=2)
    task = build(text_regression, dataset, network)
    assert task.estimate(dataset.train.items).tolist() == [2.5e6] * 8
    with torch.no_grad():
        task.model.head.bias.fill_(2.0)
    expected = 2.5e6 + 2 * labels.astype(np.float64).std()
    np.testing.assert_allclose(task.estimate(dataset.train.items), expected, rtol=1e-6)
    parts = task.loss(*whole(dataset.train))
    assert parts["loss"][1] == 8 and parts["loss"][0].detach() > 8


def test_a_network_that_answers_0_takes_all_classes_for_as_likely(tmp_path):
    dataset = Series(num=60, steps=16, cache=str(tmp_path)).open()
    task = build(classification, dataset)
    assert isinstance(task, Predicts) and not isinstance(task, Estimates)
    logits = task.predict(dataset.reference.items)
    assert logits.shape == (len(dataset.reference), 4) and not logits.any()
    batch, random = whole(dataset.train)
    torch.testing.assert_close(
        task.losses(batch, random), torch.full((len(batch.items),), np.log(4))
    )


def test_labels_are_smoothed_in_training_alone(tmp_path):
    dataset = Series(num=40, steps=16, cache=str(tmp_path)).open()
    with fixed(0, "weights"):
        task = classification.Config(label_smoothing=0.4).build(SMALL, dataset.form, UNKNOWN, {})
    with torch.no_grad():
        task.model.head.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    batch, random = whole(dataset.train)
    plain = task.losses(batch, random, training=False)
    mean = -torch.tensor([3.0, 0, 0, 0]).log_softmax(dim=0).mean()
    torch.testing.assert_close(task.losses(batch, random), 0.6 * plain + 0.4 * mean)


@pytest.mark.parametrize("module", [regression, classification, text_regression])
def test_other_data_is_refused(module):
    with pytest.raises(ValueError, match="use data"):
        build(module, Digits().open(), SimpleNamespace())


def test_the_other_kind_of_label_is_refused(tmp_path):
    classes = Series(num=40, steps=16, cache=str(tmp_path)).open()
    with pytest.raises(ValueError, match=r"sawtooth.*use task time-series-classification"):
        build(regression, classes)
    numbers = Series(num=40, steps=16, labels="numbers", cache=str(tmp_path)).open()
    with pytest.raises(ValueError, match="use task time-series-regression"):
        build(classification, numbers)
    named = texts(tmp_path, np.array([0, 1] * 4), ("no", "yes"))
    with pytest.raises(ValueError, match=r"no, yes.*use task text-classification"):
        build(text_regression, named, TextEncoder())


def test_capitals_are_read_as_small_letters_where_wanted(tmp_path):
    dataset = texts(tmp_path, np.arange(8, dtype=np.float32))
    network = PairEncoder(runs=(1, 2), rows=64, hidden=4, encoder=None)
    folded, plain = (
        text_regression.Config(fold_case=fold).build(network, dataset.form, UNKNOWN, {})
        for fold in (True, False)
    )
    with torch.no_grad():
        for task in (folded, plain):
            task.model.line.weight.fill_(1.0)
    rows = [("Ab É1", "ab é1"), ("ab É1", "ab é1")]
    items = tokens_of(dataset.form.tokenizer, rows, 16)
    first, second = folded.estimate(items).tolist()
    assert first == second  # É stays: it is two bytes
    first, second = plain.estimate(items).tolist()
    assert first < second


def test_letters_are_folded_by_what_they_are_and_not_where_tokens_are_words(tmp_path):
    tokenizer = tokenizers.learn("characters", ["aAbÉéß1"], vocabulary=1, specials=(PAD,))
    small = small_letters(tokenizer)
    read = tokenizer.decode(small[tokenizer.encode("aAbÉéß1")].tolist())
    assert read == "aabééß1" and small[tokenizer.special(PAD)] == tokenizer.special(PAD)
    bpe = tokenizers.learn("bpe", ["aA aA aA"], vocabulary=257, specials=(PAD,))
    with pytest.raises(ValueError, match=r"tokenizer to bytes or characters"):
        small_letters(bpe)
