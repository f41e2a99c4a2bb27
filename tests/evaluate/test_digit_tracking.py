"""The tracker, the counter and the reader, on real clips of which everything is known."""

import numpy as np
import pytest

from noiseloom.data.bouncing import render
from noiseloom.data.dataset import ClipTruth, VideoDataset
from noiseloom.data.moving_digits import Config
from noiseloom.evaluate.bounces import MISSED, against_truth, by_themselves, copied_last
from noiseloom.evaluate.digit_reading import DigitReader, majority
from noiseloom.evaluate.digit_tracking import centres, counts, track


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    cache = str(tmp_path_factory.mktemp("cache"))
    return Config(num=1500, num_reference=60, frames=6, cache=cache).open()


@pytest.fixture(scope="module")
def truth(data: VideoDataset) -> ClipTruth:
    assert data.reference_truth is not None
    return data.reference_truth


@pytest.fixture(scope="module")
def reader(data: VideoDataset) -> DigitReader:
    assert data.train_truth is not None
    return DigitReader(data.train.items, data.train_truth.digits)


def test_tracks_real_digits_to_a_tenth_of_a_pixel(data: VideoDataset, truth: ClipTruth) -> None:
    found = track(data.reference.items, truth.glyphs)
    off = np.linalg.norm(found - truth.motion.positions(np.arange(6)), axis=-1)
    assert off.mean() < 0.05
    assert off.max() < 0.25


def test_tracks_in_noise_and_at_half_the_brightness(truth: ClipTruth) -> None:
    places = truth.motion.positions(np.arange(2))
    clips = render(truth.glyphs, places)
    noise = np.random.default_rng(0).normal(0, 12, clips.shape)
    worse = (clips / 2 + noise).clip(0, 255).astype(np.uint8)
    assert np.linalg.norm(track(worse, truth.glyphs) - places, axis=-1).mean() < 0.4


def test_the_centre_of_the_ink_moves_as_the_digit_does(
    data: VideoDataset, truth: ClipTruth
) -> None:
    found = centres(data.reference.items)
    velocity = (found[:, 2] - found[:, 0]) / 2
    assert np.abs(velocity - truth.motion.velocity).mean() < 0.05


def test_where_nothing_is_nothing_is_found(truth: ClipTruth, reader: DigitReader) -> None:
    empty = np.zeros((3, 2, 32, 32, 1), np.uint8)
    assert np.isnan(track(empty, truth.glyphs[:3])).all()
    assert np.isnan(centres(empty)).all()
    assert (counts(empty) == 0).all()
    assert (reader.read(empty) == -1).all()
    assert majority(reader.read(empty)).tolist() == [-1, -1, -1]


def test_counts_one_two_and_none(data: VideoDataset, truth: ClipTruth) -> None:
    assert (counts(data.reference.items) == 1).mean() > 0.999
    apart = np.stack([np.zeros(2), np.array([18.0, 18.0])])[:, None]
    two = render(truth.glyphs[:2], apart).max(axis=0, keepdims=True)
    assert counts(two).item() == 2


def test_reads_held_out_digits(data: VideoDataset, truth: ClipTruth, reader: DigitReader) -> None:
    read = reader.read(data.reference.items)
    assert (read == np.asarray(truth.digits)[:, None]).mean() > 0.97
    assert (majority(read) == truth.digits).mean() > 0.97


def test_real_clips_are_right_and_copies_of_a_frame_are_behind(
    data: VideoDataset, truth: ClipTruth, reader: DigitReader
) -> None:
    clips, made = np.array(data.reference.items), [2, 3, 4, 5]
    right = against_truth(clips, truth, reader, made)
    copied = against_truth(copied_last(clips, [0, 1]), truth, reader, made)
    assert right["trajectory_error_px"].mean() < 0.05
    assert (right["count_accuracy"] == 1).all()
    # each copied frame k is behind by the way the digit went since frame 1
    places = truth.motion.positions(np.arange(6))
    behind = np.linalg.norm(places[:, 2:] - places[:, 1:2], axis=-1).mean(axis=1)
    np.testing.assert_allclose(copied["trajectory_error_px"], behind, atol=0.3)
    assert copied["identity_accuracy"].mean() > 0.97


def test_clips_that_lose_their_digit_are_marked_down(
    data: VideoDataset, truth: ClipTruth, reader: DigitReader
) -> None:
    clips = np.array(data.reference.items[:8])
    clips[:, 4:] = 0
    found = against_truth(clips, truth, reader, [2, 3, 4, 5])
    np.testing.assert_allclose(found["trajectory_error_px"], MISSED / 2, atol=0.1)
    np.testing.assert_allclose(found["count_accuracy"], 0.5)
    other = np.roll(clips, 1, axis=0)
    other[:, :2] = clips[:, :2]
    assert against_truth(other, truth, reader, [2, 3])["trajectory_error_px"].mean() > 1
    turned = np.roll(data.reference.items[:8], 1, axis=0)
    changed = np.concatenate([data.reference.items[:8, :3], turned[:, :3]], axis=1)
    kept = by_themselves(changed, reader)["identity_accuracy"]
    same = np.asarray(truth.digits[:8]) == np.roll(truth.digits[:8], 1)
    assert (kept[~same] <= 0.67).all()
