import csv
import dataclasses
import json

import numpy as np
import pytest
import torch

from noiseloom.data.forms import form_from
from noiseloom.data.made_series import SHAPES, mackey_glass, waves
from noiseloom.data.measurements import filled
from noiseloom.data.series import Config
from noiseloom.errors import DataError


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return str(path)


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def wide(tmp_path, rows, columns=("a", "b", "c", "label")):
    return write(tmp_path / "rows.csv", columns, rows)


def many(n, label):
    return [[i, 2 * i + 0.5, -i, label(i)] for i in range(n)]


# Wide --------------------------------------------------------------------------------------------


def test_rows_of_a_wide_table_are_series(tmp_path, cache):
    path = wide(tmp_path, many(60, lambda i: "up" if i % 3 else "down"))
    dataset = Config(path=path, cache=cache).open()
    assert dataset.class_names == ("down", "up")
    items = np.concatenate([dataset.train.items, dataset.reference.items])
    labels = np.concatenate([dataset.train.labels, dataset.reference.labels])
    assert items.shape == (60, 3, 1) and labels.dtype == np.int64
    for item, label in zip(items[..., 0], labels, strict=True):
        assert item[1] == 2 * item[0] + 0.5 and item[2] == -item[0]
        assert dataset.class_names[label] == ("up" if item[0] % 3 else "down")
    assert 5 <= len(dataset.reference) <= 20
    assert dataset.report["counts"]["used"] == 60


def test_equal_series_stand_on_one_side(tmp_path, cache):
    path = wide(tmp_path, many(40, lambda i: i % 2) * 3)
    dataset = Config(path=path, labels="classes", cache=cache).open()
    train, held = (
        {item.tobytes() for item in split.items} for split in (dataset.train, dataset.reference)
    )
    assert not train & held and len(train | held) == 40


def test_numbers_or_classes_are_told_by_the_labels(tmp_path, cache):
    def kind(label, **wanted):
        path = wide(tmp_path, many(60, label))
        dataset = Config(path=path, cache=cache, **wanted).open()
        return dataset.train.labels.dtype, len(dataset.class_names)

    assert kind(lambda i: i % 3) == (np.int64, 3)
    assert kind(lambda i: i % 3, labels="numbers") == (np.float32, 0)
    assert kind(lambda i: i / 7) == (np.float32, 0)
    assert kind(lambda i: i) == (np.float32, 0)
    assert kind(lambda i: "yes" if i % 2 else "no") == (np.int64, 2)


def test_columns_by_pattern_come_in_the_order_asked(tmp_path, cache):
    rows = [[i, i + 1, i + 2, i + 3, i % 2] for i in range(30)]
    path = write(tmp_path / "x.csv", ["s2", "s1", "other", "t1", "label"], rows)
    dataset = Config(path=path, columns=("t*", "s*"), labels="classes", cache=cache).open()
    first = dataset.train.items[0, :, 0]
    assert (first - first[1]).tolist() == [3, 0, 1]


def test_what_cannot_be_used_is_skipped_and_named(tmp_path, cache):
    rows = many(40, lambda i: "up" if i % 2 else "down")
    rows[3][1] = "much"
    rows[5][3] = ""
    rows[6] = ["", "NaN", "null", "up"]
    rows[7] = [1, 2]
    rows[8][1] = "inf"
    dataset = Config(path=wide(tmp_path, rows), cache=cache).open()
    assert dataset.report["counts"]["used"] == 35
    listed = {bad["file"].rpartition("/")[2]: bad["reason"] for bad in _skipped(dataset)}
    assert listed["rows.csv:5"] == "a value is no number: column 'b' holds 'much'"
    assert listed["rows.csv:7"] == "no label"
    assert listed["rows.csv:8"] == "no value at all"
    assert listed["rows.csv:10"] == "a value is no number: column 'b' holds 'inf'"
    assert "rows.csv:9" in listed and len(listed) == 5


def _skipped(dataset):
    return dataset.report["skipped"]["files"]


def test_a_missing_value_is_the_one_before():
    nan = np.nan
    values = np.array([[nan, 1.0, nan], [nan, nan, nan], [3.0, nan, nan], [nan, 4.0, nan]])
    whole, count = filled(values)
    assert count == 5
    np.testing.assert_array_equal(whole, [[3, 1, nan], [3, 1, nan], [3, 1, nan], [3, 4, nan]])


def test_missing_values_are_counted_and_said(tmp_path, cache):
    rows = many(40, lambda i: i / 7)
    rows[10][1] = rows[11][2] = ""
    dataset = Config(path=wide(tmp_path, rows), cache=cache).open()
    assert dataset.report["filled"] == 2
    assert dataset.report["notes"] == ["2 missing values were filled with the one before"]
    items = np.concatenate([dataset.train.items, dataset.reference.items])[..., 0]
    assert items[items[:, 0] == 10].tolist() == [[10, 10, -10]]
    assert items[items[:, 0] == 11].tolist() == [[11, 22.5, 22.5]]


@pytest.mark.parametrize("suffix", ["jsonl", "tsv"])
def test_other_tables_give_the_same(tmp_path, cache, suffix):
    rows = many(30, lambda i: i / 7)
    names = ("a", "b", "c", "label")
    path = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    else:
        lines = ["\t".join(map(str, row)) for row in [names, *rows]]
    path.write_text("\n".join(lines) + "\n")
    first = Config(path=wide(tmp_path, rows), cache=cache).open()
    second = Config(path=str(path), cache=cache).open()
    assert first.train.items.tolist() == second.train.items.tolist()
    assert first.train.labels.tolist() == second.train.labels.tolist()


# Long --------------------------------------------------------------------------------------------


def times(tmp_path, n=100, **changes):
    rows = [[f"day {i}", i, 1000 - i, "hot" if i % 4 else "cold"] for i in range(n)]
    for place, (column, value) in changes.items():
        rows[int(place[1:])][column] = value
    return write(tmp_path / "times.csv", ["date", "x", "y", "weather"], rows)


def test_windows_of_a_long_table(tmp_path, cache):
    config = Config(
        path=times(tmp_path), layout="long", label="y", steps=8, ahead=3, held_out=0.3, cache=cache
    )
    dataset = config.open()
    assert dataset.form.channels == ("x", "y") and dataset.form.continued == 1
    cut = 70
    for split, first, last in ((dataset.train, 0, cut - 1), (dataset.reference, cut, 99)):
        x = split.items[..., 0]
        np.testing.assert_array_equal(x, x[:, :1] + np.arange(8))
        np.testing.assert_array_equal(split.items[..., 1], 1000 - x)
        np.testing.assert_array_equal(split.labels, 1000 - (x[:, -1] + 3))
        assert x[0, 0] == first and x[-1, -1] + 3 == last  # all there are, and none across
        assert len(split) == last - first + 1 - 7 - 3
    assert dataset.form.number_mean == -3  # it goes on with its last value
    np.testing.assert_array_equal(
        dataset.form.anchors(dataset.train.items), 1000 - dataset.train.items[:, -1, 0]
    )
    sparse = dataclasses.replace(config, stride=5).open()
    assert np.diff(sparse.train.items[:, 0, 0]).tolist() == [5.0] * 11
    assert len(sparse.reference) == len(dataset.reference)
    assert len({dataset.fingerprint, sparse.fingerprint, config.open().fingerprint}) == 2


def test_windows_of_classes(tmp_path, cache):
    dataset = Config(
        path=times(tmp_path), layout="long", label="weather", steps=4, ahead=0, cache=cache
    ).open()
    assert dataset.form.channels == ("x", "y") and dataset.form.continued is None
    assert dataset.class_names == ("cold", "hot")
    last = dataset.train.items[:, -1, 0]
    np.testing.assert_array_equal(dataset.train.labels, last % 4 != 0)


def test_windows_without_a_label_are_left_out(tmp_path, cache):
    path = times(tmp_path, p10=(3, ""), p20=(1, ""))
    dataset = Config(
        path=path, layout="long", label="weather", steps=4, ahead=1, cache=cache
    ).open()
    assert len(dataset.train) == 80 - 4 - 1
    assert 991.0 not in dataset.train.items[:, -1, 1]  # the one before row 10
    assert 19.0 in dataset.train.items[:, -1, 0] and 20.0 not in dataset.train.items[..., 0]


@pytest.mark.parametrize(
    ("change", "wanted", "said"),
    [
        ({"p5": (1, "high")}, {"columns": ("x",)}, r"times.csv:7: column 'x' holds 'high'"),
        ({}, {"label": "yy"}, "no column 'yy'.*Did you mean 'y'"),
        ({}, {"columns": ("z*",)}, r"no column 'z\*'"),
        ({}, {"ahead": 0}, "answer would be seen"),
        ({}, {"steps": 90}, "rows are to train on.*takes 91"),
        ({}, {"steps": 30}, "20 rows are held out.*data.steps"),
        ({}, {"label": "date"}, "Label 'day .*' is held out but never trained on"),
    ],
)
def test_a_long_table_that_cannot_be_used(tmp_path, cache, change, wanted, said):
    path = times(tmp_path, **change)
    options = {"label": "y", "steps": 8, **wanted}
    with pytest.raises(DataError, match=said):
        Config(path=path, layout="long", cache=cache, **options).open()


def test_in_a_long_table_no_row_may_be_left_out(tmp_path, cache):
    path = tmp_path / "times.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i}\n" for i in range(50)) + "1,2,3\n")
    with pytest.raises(DataError, match=r"times.csv:52 cannot be used.*every row is a time"):
        Config(path=str(path), layout="long", label="y", steps=4, cache=cache).open()


def test_tables_that_say_nothing(tmp_path, cache):
    with pytest.raises(DataError, match="Every label is 'up'"):
        Config(path=wide(tmp_path, many(30, lambda i: "up")), cache=cache).open()
    with pytest.raises(DataError, match=r"no row that can be used.*rows.csv:2: a value is no"):
        bad = [["x", 1, 2, "up"]] * 3
        Config(path=wide(tmp_path, bad), columns=("a", "b"), cache=cache).open()
    with pytest.raises(DataError, match="There is no file"):
        Config(path=str(tmp_path / "none.csv"), cache=cache).open()
    with pytest.raises(ValueError, match="labels is classes"):
        Config(layout="long", labels="classes")


# What the model sees, and what is made up --------------------------------------------------------


def test_the_model_sees_each_channel_alike(tmp_path, cache):
    dataset = Config(path=times(tmp_path), layout="long", label="y", steps=8, cache=cache).open()
    seen = dataset.to_model(dataset.train.items)
    assert seen.dtype == torch.float32
    assert seen.mean().abs() < 0.1 and seen.std(dim=(0, 1)).sub(1).abs().max() < 0.2
    np.testing.assert_allclose(dataset.to_items(seen), dataset.train.items, atol=1e-3)
    form = form_from(json.loads(json.dumps(dataset.form.to_mapping())), tmp_path)
    assert form == dataset.form
    assert dataset.picture(dataset.train.items[:3], dataset.train.labels[:3]).size == (744, 160)


def test_a_channel_that_never_changes_is_seen_as_0(tmp_path, cache):
    rows = [[i, 5, i] for i in range(40)]
    path = write(tmp_path / "t.csv", ["x", "same", "y"], rows)
    dataset = Config(path=path, layout="long", label="y", steps=4, cache=cache).open()
    assert not dataset.to_model(dataset.train.items)[..., 1].any()


def test_what_is_made_up_follows_from_its_seed(cache):
    first, again, other = (waves(50, 32, frequencies=False, seed=seed) for seed in (1, 1, 2))
    assert first.values.tolist() == again.values.tolist() != other.values.tolist()
    assert set(first.labels) == {0, 1, 2, 3} and first.class_names == SHAPES
    signal = mackey_glass(500).values[:, 0]
    assert 0.2 < signal.min() < 0.6 and 1.1 < signal.max() < 1.5
    assert Config(num=60, cache=cache).open().item_shape == (64, 1)
    assert Config(num=60, labels="numbers", cache=cache).open().class_names == ()
    dataset = Config(num=600, layout="long", ahead=6, cache=cache).open()
    assert dataset.form.continued == 0


def test_frequencies_are_those_of_the_waves():
    made = waves(200, 64, frequencies=True)
    spectrum = np.abs(np.fft.rfft(made.values * np.hanning(64), 4096, axis=1))
    found = spectrum.argmax(axis=1) * 64 / 4096
    assert np.median(np.abs(found - made.labels)) < 0.1
