"""What the model sees of items, and the way back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.data.dataset import ImageDataset, PointDataset, Split
from noiseloom.data.forms import form_from
from noiseloom.errors import DataError, MachineError


def image_dataset(items: np.ndarray) -> ImageDataset:
    split = Split(items, np.zeros(len(items), np.int64))
    return ImageDataset(
        train=split,
        reference=split,
        class_names=("a",),
        fingerprint="",
        report={},
        cache=Path("none"),
    )


def point_dataset(points: np.ndarray) -> PointDataset:
    split = Split(points)
    return PointDataset(
        train=split, reference=split, class_names=(), fingerprint="", report={}, cache=Path("none")
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_value_comes_back(channels: int) -> None:
    items = np.arange(256 * channels, dtype=np.uint32).astype(np.uint8)
    items = items.reshape(2, 16, 8, channels)
    items.setflags(write=False)  # as memory-mapped arrays are
    dataset = image_dataset(items)
    x0 = dataset.to_model(items)
    assert x0.shape == (2, channels, 16, 8)
    assert x0.dtype == torch.float32
    assert x0.is_contiguous()
    assert (x0.min(), x0.max()) == (-1, 1)
    np.testing.assert_array_equal(dataset.to_items(x0), items)
    assert dataset.item_shape == (channels, 16, 8)


def test_model_output_is_rounded_and_clipped() -> None:
    dataset = image_dataset(np.zeros((1, 1, 4, 1), np.uint8))
    x0 = torch.tensor([-7.0, -1 + 0.6 / 127.5, 0.999, 3.0]).view(1, 1, 1, 4)
    assert dataset.to_items(x0.bfloat16()[..., :1]).ravel().tolist() == [0]
    assert dataset.to_items(x0).ravel().tolist() == [0, 1, 255, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_output_that_is_not_finite_is_refused(value: float) -> None:
    x0 = torch.zeros(3, 1, 2, 2)
    x0[1, 0, 0, 0] = value
    with pytest.raises(MachineError, match="not finite for 1 of 3 items"):
        image_dataset(np.zeros((1, 2, 2, 1), np.uint8)).to_items(x0)


def test_points_stay_as_they_are() -> None:
    points = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    dataset = point_dataset(points)
    np.testing.assert_array_equal(dataset.to_items(dataset.to_model(points)), points)
    assert dataset.item_shape == (2,)
    assert dataset.picture(points).size == (480, 480)


def test_points_that_are_not_finite_are_refused() -> None:
    points = np.zeros((5, 2), np.float32)
    points[3, 1] = np.nan
    with pytest.raises(DataError, match=r"Point 3 is \[0\.0, nan\]"):
        point_dataset(points)


def test_form_survives_the_way_through_json() -> None:
    for form in (
        image_dataset(np.zeros((2, 4, 6, 3), np.uint8)).form,
        point_dataset(np.ones((5, 2), np.float32)).form,
    ):
        assert form_from(json.loads(json.dumps(form.to_mapping())), Path()) == form


def test_labels_must_match_items() -> None:
    with pytest.raises(ValueError, match="3 items were given with 2 labels"):
        Split(np.zeros((3, 2)), np.zeros(2, np.int64))


def test_picture_of_images() -> None:
    dataset = image_dataset(np.zeros((6, 8, 8, 1), np.uint8))
    plain = dataset.picture(dataset.train.items, columns=3, scale=2)
    named = dataset.picture(dataset.train.items, dataset.train.labels, columns=3, scale=2)
    assert plain.size == (56, 38)
    assert named.height > plain.height
