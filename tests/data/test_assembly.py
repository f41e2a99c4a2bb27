"""What is held out, and that the arrays are the items."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.assembly import Assembly, choose_held_out, hash_of
from noiseloom.errors import DataError


def hashes(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, num, dtype=np.uint64)


def test_share_held_out() -> None:
    held = choose_held_out(hashes(20_000), np.full(20_000, -1), 0.1)
    assert abs(held.mean() - 0.1) < 0.01


def test_adding_items_moves_no_other() -> None:
    some, labels = hashes(2000), np.arange(2000) % 10
    more = np.concatenate([hashes(500, seed=1), some])
    more_labels = np.concatenate([np.arange(500) % 10, labels])
    before = choose_held_out(some, labels, 0.1)
    after = choose_held_out(more, more_labels, 0.1)
    np.testing.assert_array_equal(after[500:], before)


def test_each_class_of_ten_is_represented_on_both_sides() -> None:
    for seed in range(20):
        labels = np.repeat(np.arange(40), 10)
        held = choose_held_out(hashes(400, seed), labels, 0.05)
        assert set(labels[held]) == set(range(40)) == set(labels[~held])


def test_class_of_one_item_is_trained_on() -> None:
    labels = np.arange(500)
    labels[100:] = 100
    held = choose_held_out(hashes(500), labels, 0.5)
    assert not held[:100].any()
    assert held[100:].any()


def test_few_items_still_give_a_reference() -> None:
    for seed in range(20):
        held = choose_held_out(hashes(3, seed), np.full(3, -1), 0.1)
        assert 1 <= held.sum() <= 2
        held = choose_held_out(hashes(4, seed), np.array([0, 0, 1, 1]), 0.9)
        assert 1 <= held.sum() <= 2


def test_equal_items_stand_on_one_side() -> None:
    twice = np.tile(hashes(50), 2)
    held = choose_held_out(twice, np.full(100, -1), 0.3)
    np.testing.assert_array_equal(held[:50], held[50:])


def assembled(folder: Path, items: np.ndarray, labels: list[int]) -> dict[str, object]:
    with closing(Assembly(folder, items.shape[1:], len(items))) as assembly:
        for item, label in zip(items, labels, strict=True):
            assembly.add(item, label, hash_of(item.tobytes()))
        return assembly.finish(["a", "b", "c"], 0.3)


def test_arrays_hold_the_items_in_order(tmp_path: Path) -> None:
    items = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 3), dtype=np.uint8)
    labels = [index % 2 * 2 for index in range(50)]
    details = assembled(tmp_path, items, labels)
    held = choose_held_out(
        np.array([hash_of(item.tobytes()) for item in items], np.uint64), np.array(labels), 0.3
    )
    train, reference = (
        np.load(tmp_path / "train_items.npy"),
        np.load(tmp_path / "reference_items.npy"),
    )
    np.testing.assert_array_equal(train, items[~held])
    np.testing.assert_array_equal(reference, items[held])
    # class "b" has no item: it is dropped and the labels counted anew
    assert details["class_names"] == ["a", "c"]
    np.testing.assert_array_equal(
        np.load(tmp_path / "train_labels.npy"), np.array(labels)[~held] // 2
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "reference_items.npy",
        "reference_labels.npy",
        "train_items.npy",
        "train_labels.npy",
    ]


def test_one_class_is_no_label(tmp_path: Path) -> None:
    items = np.random.default_rng(0).integers(0, 256, (20, 2, 2, 1), dtype=np.uint8)
    details = assembled(tmp_path, items, [1] * 20)
    assert details["class_names"] == []
    assert details["only_class"] == "b"
    assert not (tmp_path / "train_labels.npy").exists()


@pytest.mark.parametrize("num", [0, 1, 5])
def test_what_cannot_be_divided_is_refused(tmp_path: Path, num: int) -> None:
    with pytest.raises(DataError):
        assembled(tmp_path, np.zeros((num, 2, 2, 1), np.uint8), [-1] * num)
    assert not (tmp_path / "items.raw").exists()
