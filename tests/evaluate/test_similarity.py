import numpy as np
import pytest

from noiseloom.evaluate.similarity import psnr, similarities, squared_errors


def pictures(count=3, side=12, channels=1, seed=0):
    shape = (count, side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_squared_errors_by_hand():
    black = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    other = black.copy()
    other[1, 0, 0] = 255
    other[1, 1, 1] = 51
    assert squared_errors(black, other).tolist() == pytest.approx([0, (1 + 0.04) / 16])


def test_ten_decibels_are_a_tenth_of_the_error():
    assert psnr(0.01) == pytest.approx(20)
    assert psnr(0.001) - psnr(0.01) == pytest.approx(10)
    assert psnr(0.0) == pytest.approx(100)


def test_an_image_is_like_itself():
    images = pictures(channels=3)
    assert similarities(images, images).tolist() == pytest.approx([1, 1, 1])


def test_one_window_is_the_formula_by_hand():
    x, y = (pictures(1, 7, seed=seed).astype(float) / 255 for seed in (1, 2))
    found = float(similarities(*(np.rint(255 * one).astype(np.uint8) for one in (x, y))))
    covariance = np.cov(x.ravel(), y.ravel())
    c1, c2 = 1e-4, 9e-4
    expected = (
        (2 * x.mean() * y.mean() + c1)
        * (2 * covariance[0, 1] + c2)
        / (x.mean() ** 2 + y.mean() ** 2 + c1)
        / (covariance[0, 0] + covariance[1, 1] + c2)
    )
    assert found == pytest.approx(expected)


def test_every_channel_and_window_counts_the_same():
    images, others = pictures(2, 9, 3), pictures(2, 9, 3, seed=5)
    windows = [
        similarities(
            images[:, i : i + 7, j : j + 7, c : c + 1], others[:, i : i + 7, j : j + 7, c : c + 1]
        )
        for c in range(3)
        for i in range(3)
        for j in range(3)
    ]
    assert similarities(images, others).tolist() == pytest.approx((sum(windows) / 27).tolist())


def test_images_smaller_than_a_window_are_one_window():
    assert 0 < float(similarities(pictures(1, 3), pictures(1, 3) // 2)[0]) < 1
