"""Moving digits: disjoint digits, the truth beside each clip, the same clips again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.bouncing import render
from noiseloom.data.motion_captions import Said, direction_of, is_fast, read
from noiseloom.data.moving_digits import FREE, Config

SMALL = Config(num=60, num_reference=30, frames=6)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return replace(SMALL, cache=str(tmp_path_factory.mktemp("cache")))


def test_the_truth_is_that_of_the_clips(config: Config) -> None:
    data = config.open()
    for split, truth in (
        (data.train, data.train_truth),
        (data.reference, data.reference_truth),
    ):
        assert truth is not None
        places = truth.motion.positions(np.arange(config.frames))
        np.testing.assert_array_equal(split.items, render(truth.glyphs, places))
        assert (truth.motion.bounces(FREE - 1) == 0).all()
        speed = np.linalg.norm(truth.motion.velocity, axis=1)
        assert (((speed >= 0.8) & (speed <= 1.4)) | ((speed >= 2.2) & (speed <= 3.0))).all()


def test_no_digit_stands_on_both_sides(config: Config) -> None:
    data = config.open()
    assert data.train_truth is not None
    assert data.reference_truth is not None
    shown, held_out = (
        {glyph.tobytes() for glyph in truth.glyphs}
        for truth in (data.train_truth, data.reference_truth)
    )
    assert not shown & held_out
    assert len(held_out) > 10


def test_the_same_again_and_others_by_seed(config: Config) -> None:
    data, again = config.open(), config.open()
    assert data.fingerprint == again.fingerprint
    assert replace(config, seed=1).open().fingerprint != data.fingerprint
    np.testing.assert_array_equal(data.train.items[:3], again.train.items[:3])


def test_what_the_model_sees_comes_back(config: Config) -> None:
    data = config.open()
    x0 = data.to_model(data.train.items[:4])
    assert x0.shape == (4, 1, 6, 32, 32)
    assert (float(x0.min()), float(x0.max())) <= (-0.9, 1.0)
    np.testing.assert_array_equal(data.to_items(x0), data.train.items[:4])


def test_captions_tell_what_the_clips_show(config: Config) -> None:
    data = replace(config, captions=True).open()
    captions, truth = data.captions, data.reference_truth
    assert captions is not None
    assert truth is not None
    assert data.reference.captions is not None
    fast = is_fast(np.linalg.norm(truth.motion.velocity, axis=1))
    ways, met = direction_of(truth.motion.velocity), truth.motion.bounces(config.frames - 1) > 0
    for index, rows in enumerate(data.reference.captions):
        said = {read(caption) for caption in captions.decode(rows)}
        assert said == {Said(truth.digits[index], ways[index], fast[index], met[index])}
    assert len({caption for rows in data.train.captions for caption in captions.decode(rows)}) > 50
    assert data.form.captions is captions
    # a direction is meant: half a sector is 22.5 degrees, and digits go at most 15 beside it
    angle = np.degrees(np.arctan2(*truth.motion.velocity.T[::-1]))
    assert np.abs((angle + 22.5) % 45 - 22.5).max() <= 15 + 1e-9


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="held_out is 1"):
        Config(held_out=1.0)
    with pytest.raises(ValueError, match="rate 0"):
        Config(rate=0)
