"""The data that needs no files: digits and points."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from noiseloom.config import from_mapping, parse, to_mapping
from noiseloom.data import digits, toy
from noiseloom.errors import ConfigError
from noiseloom.menu import words


def test_menu_of_data() -> None:
    assert {"digits", "images", "series", "table", "text", "toy"} <= set(words("noiseloom.data"))


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    dataset = digits.Config().open()
    assert dataset.item_shape == (1, 8, 8)
    assert dataset.class_names == tuple("0123456789")
    assert len(dataset.train) + len(dataset.reference) == 1797
    assert 0.15 < len(dataset.reference) / 1797 < 0.25
    assert set(dataset.reference.labels) == set(range(10))  # type: ignore[arg-type]
    original = load_digits()
    rows = {
        image.astype(np.uint8).tobytes(): label
        for image, label in zip(original.images, original.target, strict=True)
    }
    for split in (dataset.train, dataset.reference):
        assert split.labels is not None
        for item, label in zip(split.items, split.labels, strict=True):
            back = np.rint(item[..., 0] * (16 / 255)).astype(np.uint8)
            assert rows[back.tobytes()] == label
    assert int(dataset.train.items.max()) == 255


def test_digits_report_and_second_open() -> None:
    one, two = digits.Config().open(), digits.Config().open()
    assert one.fingerprint == two.fingerprint
    assert one.report == two.report
    assert one.report["counts"]["used"] == 1797
    assert digits.Config(held_out=0.5).open().fingerprint != one.fingerprint


def test_prepared_digits_need_no_sklearn(session_cache: Path) -> None:
    digits.Config().open()
    code = (
        "import sys; from noiseloom.data import digits; digits.Config().open(); "
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("shape", list(toy.SHAPES))
def test_shapes_are_centred_and_about_standard(shape: str) -> None:
    config = parse(toy.Config, from_mapping({"shape": shape, "num": 4000}))
    dataset = config.open()
    items = dataset.train.items
    assert items.dtype == np.float32
    assert items.shape == dataset.reference.items.shape == (4000, 2)
    assert np.abs(items.mean(0)).max() < 0.1
    assert 0.4 < items.std() < 1.3
    assert not np.array_equal(items, dataset.reference.items)
    assert config.open().fingerprint == dataset.fingerprint
    assert toy.Config(shape=shape, num=4000, seed=1).open().fingerprint != dataset.fingerprint  # type: ignore[arg-type]
    if dataset.train.labels is None:
        assert dataset.class_names == ()
    else:
        assert set(dataset.train.labels) == set(range(len(dataset.class_names)))


def test_gaussian_mixture_has_its_moments() -> None:
    dataset = toy.Config(shape="gaussian-mixture", num=50_000).open()
    labels = dataset.train.labels
    for label in range(toy.MIXTURE_COMPONENTS):
        mine = dataset.train.items[labels == label].astype(np.float64)
        angle = 2 * np.pi * label / toy.MIXTURE_COMPONENTS
        centre = toy.MIXTURE_RADIUS * np.array([np.cos(angle), np.sin(angle)])
        assert abs(len(mine) - 6250) < 300
        np.testing.assert_allclose(mine.mean(0), centre, atol=0.01)
        np.testing.assert_allclose(np.cov(mine.T), toy.MIXTURE_STD**2 * np.eye(2), atol=1e-3)


def test_moons_and_spirals_without_noise_lie_on_their_curves() -> None:
    moons = toy.Config(shape="two-moons", noise=0, num=500).open().train
    upper = moons.items[moons.labels == 0] + np.float32([0.5, 0.25])
    np.testing.assert_allclose(np.linalg.norm(upper, axis=1), 1, atol=1e-6)
    assert (upper[:, 1] >= -1e-6).all()
    spirals = toy.Config(shape="spirals", noise=0, num=500).open().train
    arm = spirals.items[spirals.labels == 0]
    radius = np.linalg.norm(arm, axis=1)
    turn = radius / 2 * 3 * np.pi
    expected = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    np.testing.assert_allclose(arm, expected, atol=1e-4)


def test_checkerboard_keeps_to_dark_squares() -> None:
    points = toy.Config(shape="checkerboard").open().train.items
    squares = np.floor(points).astype(int)
    assert (squares.sum(1) % 2 == 0).all()
    assert len({tuple(square) for square in squares}) == 8


def test_config_round_trip_and_refusals() -> None:
    for config in (digits.Config(held_out=0.3), toy.Config(shape="spirals", num=7)):
        assert parse(type(config), from_mapping(to_mapping(config))) == config
    for cls, wrong in (
        (digits.Config, {"held_out": 0}),
        (toy.Config, {"num": 1}),
        (toy.Config, {"shape": "circle"}),
        (toy.Config, {"noise": -1}),
    ):
        with pytest.raises(ConfigError):
            parse(cls, from_mapping(wrong))
