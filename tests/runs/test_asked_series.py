import csv

import numpy as np
import pytest

from noiseloom.data.series import Config
from noiseloom.errors import InputError
from noiseloom.runs.asked import read_asked, read_file


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture
def wide(tmp_path):
    """The form of series of three steps, a row each."""
    rows = [[i, i / 2, -i, i % 2] for i in range(30)]
    path = write(tmp_path / "wide.csv", ["a", "b", "c", "label"], rows)
    return Config(path=str(path), labels="classes", cache=str(tmp_path / "cache")).open().form


@pytest.fixture
def long(tmp_path):
    """The form of series of four times and two channels."""
    path = write(tmp_path / "long.csv", ["x", "y"], [[i, i * i] for i in range(40)])
    config = Config(
        path=str(path), layout="long", label="y", steps=4, cache=str(tmp_path / "cache")
    )
    return config.open().form


def test_rows_of_a_wide_table_are_asked_about_one_by_one(wide, tmp_path):
    path = write(tmp_path / "new.csv", ["c", "note", "a", "b"], [[3, "x", 1, 2], ["", "y", 4, 5]])
    asked = read_file(wide, path)
    assert asked == [("1", "2", "3"), ("4", "5", "")]
    items, said = read_asked(wide, asked)
    assert items[..., 0].tolist() == [[1, 2, 3], [4, 5, 5]] and not said
    assert items.shape[1:] == wide.item_shape
    with pytest.raises(InputError, match=r"2 rows, each a series.*--input"):
        read_asked(wide, str(path))
    one = write(tmp_path / "one.csv", ["a", "b", "c"], [[1, 2, 3]])
    assert read_asked(wide, [one])[0][..., 0].tolist() == [[1, 2, 3]]


def test_of_a_long_table_its_end_is_asked_about(long, tmp_path):
    rows = [["noon", i, 10 * i] for i in range(9)]
    rows[7][1] = ""
    path = write(tmp_path / "new.csv", ["time", "x", "y"], rows)
    assert read_file(long, path) == [str(path)]
    items, _ = read_asked(long, path)
    np.testing.assert_array_equal(items, [[[5, 50], [6, 60], [6, 70], [8, 80]]])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1, 2]] * 3, "holds 3 rows, and this run reads the last 4"),
        ([], "holds no row"),
        ([[1, "low"]] * 4, r"new.csv:2 holds 'low', which is no number"),
        ([["", 2]] * 4, "no value at all"),
    ],
)
def test_a_long_table_that_cannot_be_read(long, tmp_path, rows, said):
    path = write(tmp_path / "new.csv", ["x", "y"], rows)
    with pytest.raises(InputError, match=said):
        read_asked(long, [path])


def test_other_things_that_cannot_be_read(long, wide, tmp_path):
    path = write(tmp_path / "new.csv", ["x", "z"], [[1, 2]] * 5)
    with pytest.raises(InputError, match="has no column 'y'"):
        read_asked(long, path)
    with pytest.raises(InputError, match="There is no file"):
        read_asked(long, tmp_path / "none.csv")
    with pytest.raises(InputError, match="reads 3 numbers, a to c"):
        read_asked(wide, [("1", "2")])
    with pytest.raises(InputError, match=r"the series 1, 2, x, … holds 'x'"):
        read_asked(wide, [("1", "2", "x")])
    with pytest.raises(InputError, match="a table of times, by its file"):
        read_asked(long, [("1", "2")])
    with pytest.raises(InputError, match=r"float arrays of shape \(N, 4, 2\)"):
        read_asked(long, np.zeros((1, 3, 2)))
    assert read_asked(long, np.zeros((1, 4, 2)))[0].shape == (1, 4, 2)
